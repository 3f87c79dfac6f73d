// What an agent's status means (chapter 20 §1.9). Pure.

import { PlatformError } from '../platform/errors.ts';

/** An import of it would load Node's own fetch as well: 14 MB. */
const { STATUS_CODES } = process.getBuiltinModule('node:http');
/** Statuses that proxies and tunnels answer for an origin that is gone. */
const DEAD_ORIGIN = new Set([502, 503, 504, 521, 522, 523, 524]);

export function deadOrigin(status: number): boolean {
  return DEAD_ORIGIN.has(status);
}

/** The agent's own status, with its own words where they are text. */
export function describeAgentError(status: number, reply: unknown): PlatformError {
  const said = (reply as { error?: unknown } | null)?.error;
  const nested = (said as { message?: unknown } | null)?.message;
  const message =
    typeof said === 'string'
      ? said
      : typeof nested === 'string'
        ? nested
        : (STATUS_CODES[status] ?? `agent answered ${status}`);
  return new PlatformError('agent_error', message, { agent_status: status }, { status });
}
