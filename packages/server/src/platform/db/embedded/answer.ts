// What the engine answered to a group: the status its session is in now, notifications taken out, errors put in our words.

import { BACKEND, buildError, readErrorCode, readMessages } from './wire.ts';

export interface Answer {
  /** Of the last ReadyForQuery; null when there was none. */
  status: number | null;
  failed: boolean;
  /** For whoever listens, whichever connection caused them. */
  notifications: Buffer[];
  /** For the connection that asked. */
  body: Buffer;
}

const READ_ONLY_TRANSACTION = '25006';

/** @param state.readOnly writes are refused because the disk is nearly full. */
export function readAnswer(bytes: Buffer, state: { readOnly: boolean } = { readOnly: false }): Answer {
  const { messages } = readMessages(bytes);
  const kept: Buffer[] = [];
  const answer: Answer = { status: null, failed: false, notifications: [], body: bytes };
  let changed = false;
  let copying = false;
  for (const message of messages) {
    switch (message[0]) {
      case BACKEND.notification:
        answer.notifications.push(Buffer.from(message));
        changed = true;
        continue;
      case BACKEND.copyIn:
        copying = true;
        changed = true;
        continue;
      case BACKEND.ready:
        answer.status = message[5] ?? null;
        break;
      case BACKEND.error: {
        answer.failed = true;
        const own = translateError(message, { readOnly: state.readOnly, copying });
        changed ||= own !== null;
        kept.push(own ?? message);
        continue;
      }
    }
    kept.push(message);
  }
  if (changed) answer.body = Buffer.concat(kept);
  return answer;
}

/** Null: the engine's own words stand. */
function translateError(message: Buffer, state: { readOnly: boolean; copying: boolean }): Buffer | null {
  if (state.copying)
    return buildError('0A000', 'COPY FROM STDIN is not available on the embedded database; use INSERT, or PostgreSQL');
  if (state.readOnly && readErrorCode(message) === READ_ONLY_TRANSACTION)
    return buildError('53100', 'the disk under the embedded database is nearly full');
  return null;
}
