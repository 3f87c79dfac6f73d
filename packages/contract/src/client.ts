// Typed HTTP client derived from the route tables; used by the canvas, the CLI and tests.
// Owns calling and error mapping. Event streams live in stream.ts; A2A calls go through `raw`.

import type { ErrorCode } from './errors.ts';
import type { Route, RouteBodyInput, RouteParams, RouteQueryInput, RouteResult } from './route.ts';
import { ROUTES, type RouteName } from './routes.ts';

export class ApiError extends Error {
  readonly status: number;
  /** Stable code of errors.ts; `network` and `timeout` when no reply came, `unknown` when the reply was not ours. */
  readonly code: ErrorCode | 'network' | 'timeout' | 'unknown';
  readonly body: Record<string, unknown>;
  /** Seconds, from the body or the header. */
  readonly retryAfterSeconds: number | null;

  constructor(
    status: number,
    code: ApiError['code'],
    message: string,
    body: Record<string, unknown> = {},
    retryAfterSeconds: number | null = null,
  ) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.code = code;
    this.body = body;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export interface ClientOptions {
  /** Empty for same origin. */
  baseUrl: string;
  token?: string;
  workspaceId?: string;
  fetch?: typeof globalThis.fetch;
  /** Milliseconds; 15 s unless given. */
  timeoutMs?: number;
}

type Table = typeof ROUTES;
/** A body the route can do without may be left out. */
type BodyOf<B> = undefined extends B ? { body?: B } : { body: B };
type Needs<R extends Route> = (keyof RouteParams<R> extends never
  ? { params?: undefined }
  : { params: RouteParams<R> }) &
  (R['body'] extends object ? BodyOf<RouteBodyInput<R>> : { body?: undefined }) & {
    query?: Partial<Record<keyof RouteQueryInput<R>, string | number | boolean>>;
    signal?: AbortSignal;
    timeoutMs?: number;
  };
type Args<R extends Route> = keyof RouteParams<R> extends never
  ? R['body'] extends object
    ? [call: Needs<R>]
    : [call?: Needs<R>]
  : [call: Needs<R>];

export type Client = { [N in RouteName]: (...args: Args<Table[N]>) => Promise<RouteResult<Table[N]>> } & {
  /** Any request with the client's credentials; the reply as it came. */
  raw(
    method: string,
    path: string,
    init?: { body?: string | Uint8Array; headers?: Record<string, string>; signal?: AbortSignal; timeoutMs?: number },
  ): Promise<Response>;
};

interface CallInput {
  params?: Record<string, string>;
  query?: Record<string, string | number | boolean>;
  body?: unknown;
  signal?: AbortSignal;
  timeoutMs?: number;
}

/** Fills `:name` segments and the `*name` at the end; all but the slashes of the latter are URI-encoded. */
export function buildPath(
  pattern: string,
  params: Record<string, string> = {},
  query: Record<string, unknown> = {},
): string {
  const path = pattern.replace(/([:*])([A-Za-z]+)/g, (_, kind: string, name: string) => {
    const encoded = encodeURIComponent(params[name] ?? '');
    return kind === '*' ? encoded.replaceAll('%2F', '/') : encoded;
  });
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query))
    if (value !== undefined && value !== null) search.set(key, String(value));
  return search.size > 0 ? `${path}?${search}` : path;
}

/** Reads an error reply into an ApiError; a body that is not JSON keeps the status phrase. */
export async function readError(response: Response): Promise<ApiError> {
  const text = await response.text();
  let body: Record<string, unknown> = {};
  try {
    const parsed: unknown = JSON.parse(text);
    if (parsed && typeof parsed === 'object') body = parsed as Record<string, unknown>;
  } catch {
    // Not JSON: the status phrase below is all there is to say.
  }
  const retryAfter = Number(body.retry_after ?? response.headers.get('retry-after') ?? Number.NaN);
  const message = typeof body.error === 'string' ? body.error : response.statusText || `HTTP ${response.status}`;
  return new ApiError(
    response.status,
    (body.code as ErrorCode) ?? 'unknown',
    message,
    body,
    Number.isFinite(retryAfter) ? retryAfter : null,
  );
}

export function createClient(options: ClientOptions): Client {
  const send = options.fetch ?? globalThis.fetch.bind(globalThis);
  const credentials: Record<string, string> = {};
  if (options.token) credentials.authorization = `Bearer ${options.token}`;
  if (options.workspaceId) credentials['x-workspace-id'] = options.workspaceId;

  const raw: Client['raw'] = async (method, path, init = {}) => {
    const timeout = AbortSignal.timeout(init.timeoutMs ?? options.timeoutMs ?? 15_000);
    const signal = init.signal ? AbortSignal.any([init.signal, timeout]) : timeout;
    try {
      return await send(options.baseUrl + path, {
        method,
        body: init.body as BodyInit | undefined,
        headers: { ...credentials, ...init.headers },
        signal,
        credentials: 'same-origin',
      });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      if (timeout.aborted) throw new ApiError(0, 'timeout', 'No answer in time');
      throw new ApiError(0, 'network', 'The platform cannot be reached');
    }
  };

  const call = async (route: Route, input: CallInput = {}): Promise<unknown> => {
    const response = await raw(route.method, buildPath(route.path, input.params, input.query), {
      ...(input.body === undefined
        ? {}
        : { body: JSON.stringify(input.body), headers: { 'content-type': 'application/json' } }),
      ...(input.signal ? { signal: input.signal } : {}),
      ...(input.timeoutMs ? { timeoutMs: input.timeoutMs } : {}),
    });
    if (!response.ok) throw await readError(response);
    return route.transport === 'text' ? response.text() : response.json();
  };

  const methods = Object.fromEntries(
    Object.entries(ROUTES).map(([name, route]) => [name, (input?: CallInput) => call(route as Route, input)]),
  );
  return { ...methods, raw } as unknown as Client;
}
