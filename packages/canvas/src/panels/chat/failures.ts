// What a refusal means to the person who wrote the message: one title, one hint, at most one fix.

import type { Failure } from './turns.ts';

const KEY_NAME = /\b[A-Z][A-Z0-9_]*_(?:API_KEY|TOKEN|BASE_URL)\b/;

export interface Refused {
  /** HTTP status; 0 when it came out of the log. */
  status?: number;
  /** Stable code of the platform's error. */
  code?: string;
  /** When it may be tried again (ms since the epoch). */
  retryAt?: number | null;
}

/** @param detail the platform's or the agent's own words; the title unless a better one is known. */
export function explainFailure(detail: string, { status = 0, code = '', retryAt = null }: Refused = {}): Failure {
  const failed = (title: string, hint: string, fix: Failure['fix']): Failure => ({
    is: 'failed',
    title,
    hint,
    fix,
    retryAt: status === 429 ? retryAt : null,
  });
  if (code === 'queue_full')
    return failed('Too many of your messages wait', 'The agent works them off first. This one was not taken.', null);
  if (status === 402 || /budget/i.test(detail))
    return failed('Budget reached', 'Not sent. The agent takes no calls until its limit is raised.', 'budget');
  if (KEY_NAME.test(detail) || /auth_failed|api key/i.test(detail))
    return failed(detail, 'The model did not accept the agent. Connect one, then send this again.', 'add-key');
  if (/rate_limited|overloaded|\b529\b/i.test(detail))
    return failed(detail, 'The model takes no more calls for the moment. Send this again in a minute.', null);
  if (code === 'agent_busy' || ((status === 503 || status === 0) && /\bbusy\b/i.test(detail)))
    return failed('Busy in its own session', 'It answers its current work first. Send this again later.', null);
  if (status === 413) return failed('The message is too long', 'At most 1 MB fits into one message.', null);
  if (/unreachable|refused|offline|failed to reach|no URL|interrupted/i.test(detail))
    return failed(detail, 'The agent does not answer at its address. A restart usually helps.', 'restart');
  if (/agent error/i.test(detail))
    return failed(detail, 'The agent failed on this message. Its log says why.', 'restart');
  return failed(detail || 'No details reported', 'The message was not answered.', null);
}
