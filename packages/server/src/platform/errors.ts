// The error every layer throws for a caller: a code of the contract's table, a safe sentence, extras of the route.

import { ERRORS, type ErrorBody, type ErrorCode } from '@molecule/contract';

export class PlatformError extends Error {
  readonly code: ErrorCode;
  readonly extras: Record<string, unknown>;
  readonly headers: Record<string, string>;
  /** Overrides the table's status where a chapter passes an agent's own status on. */
  readonly statusOverride: number | null;

  constructor(
    code: ErrorCode,
    message: string,
    extras: Record<string, unknown> = {},
    options: { headers?: Record<string, string>; status?: number; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'PlatformError';
    this.code = code;
    this.extras = extras;
    this.headers = options.headers ?? {};
    this.statusOverride = options.status ?? null;
  }

  get status(): number {
    return this.statusOverride ?? ERRORS[this.code].status;
  }

  body(): ErrorBody {
    return { error: this.message, code: this.code, ...this.extras };
  }
}

export const unauthenticated = () =>
  new PlatformError('unauthenticated', 'authentication required', {}, { headers: { 'www-authenticate': 'Bearer' } });
export const notFound = (what: string) => new PlatformError('not_found', `${what} not found`);
export const invalid = (field: string, message: string) =>
  new PlatformError('invalid_request', `${field}: ${message}`, { field });
/** @param what could not be checked. */
export const platformUnavailable = (cause: unknown, what = 'credentials') =>
  new PlatformError(
    'platform_unavailable',
    `the platform cannot check ${what} right now`,
    { retry_after: 5 },
    { headers: { 'retry-after': '5' }, cause },
  );
