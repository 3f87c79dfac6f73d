// What a person may read about a failed turn: a tag, never a stack, a path or a provider's words (chapter 40 §1).

export type FailureTag =
  | 'rate_limited'
  | 'auth_failed'
  | 'session_error'
  | 'subprocess_error'
  | `exit_${number}`
  | (string & {});

/** A failure an adapter can name. `message` goes to the log only. */
export class AgentError extends Error {
  readonly tag: FailureTag;
  /** The model was overloaded and the adapter has not repeated the call itself. */
  readonly retryable: boolean;
  constructor(tag: FailureTag, message: string, options: { cause?: unknown; retryable?: boolean } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'AgentError';
    this.tag = tag;
    this.retryable = options.retryable ?? false;
  }
}

/** The turn ran longer than `runtime_config.timeout`; never repeated. */
export class TurnTimeout extends Error {
  override readonly name = 'TurnTimeout';
}

/** The process goes before the turn could end: whoever waits may send the message again. */
export class AgentStopping extends Error {
  override readonly name = 'AgentStopping';
}

const OVERLOADED = new Set([429, 503, 529]);
/** HTTP statuses of a provider that has no room right now. */
export const isOverloaded = (status: number): boolean => OVERLOADED.has(status);
const statusOf = (error: unknown): number => Number((error as { statusCode?: unknown } | null)?.statusCode ?? 0);

export function tagOf(error: unknown): FailureTag {
  if (error instanceof AgentError) return error.tag;
  const status = statusOf(error);
  if (status === 401 || status === 403) return 'auth_failed';
  if (isOverloaded(status)) return 'rate_limited';
  const name = error instanceof Error ? error.name.replace(/^[A-Z]+_/, '') : '';
  return /^[A-Z][A-Za-z0-9]{1,40}$/.test(name) ? name : 'Error';
}

export function isRetryable(error: unknown): boolean {
  return error instanceof AgentError ? error.retryable : isOverloaded(statusOf(error));
}

export const describeFailure = (tag: FailureTag): string => `Agent error (${tag}) — see workspace logs`;
