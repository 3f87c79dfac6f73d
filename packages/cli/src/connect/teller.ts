// How `molecule connect` speaks while it runs: lines for people, or JSON lines; what the runtime logs goes to standard error.

import type { SeatMessage } from '@molecule/runtime/link/seat';
import { createLogger, type Logger } from '@molecule/runtime/logger';
import { plain, print, printJsonLine, remark } from '../output.ts';

const WARNING = 40;
const MOST_CHARACTERS = 70;

export interface Teller {
  connected(seat: { id: string; name: string; platformUrl: string; mode: string }): void;
  received(message: SeatMessage): void;
  answered(message: SeatMessage, outcome: { failed: boolean; ms: number }): void;
  stderr(text: string): void;
  log: Logger;
}

const shorten = (text: string) => {
  const line = plain(text).replace(/\s+/g, ' ').trim();
  return line.length > MOST_CHARACTERS ? `${line.slice(0, MOST_CHARACTERS - 1)}…` : line;
};
const nameOf = ({ kind, peerName, peerId }: SeatMessage) =>
  kind === 'canvas_user' ? 'a person' : plain(peerName ?? peerId ?? 'a peer');

/** Warnings and worse, one line each: the cause is in `err`. */
function createLog(level: string): Logger {
  const write = (line: string) => {
    const {
      level: severity,
      msg,
      err,
      tag,
    } = JSON.parse(line) as {
      level: number;
      msg: string;
      err?: { message?: string };
      tag?: string;
    };
    const cause = [tag, err?.message].filter(Boolean).join(': ');
    if (severity >= WARNING || level !== 'info') remark(plain(cause ? `${msg} (${cause})` : msg));
  };
  return createLogger({ level, destination: { write } });
}

export function createTeller(json: boolean, verbose: boolean): Teller {
  const log = createLog(verbose ? 'debug' : 'info');
  const stderr = (text: string) => void process.stderr.write(plain(text));
  if (json)
    return {
      log,
      stderr,
      connected: ({ id, name, platformUrl, mode }) =>
        printJsonLine({ type: 'connected', workspace_id: id, name, platform_url: platformUrl, delivery_mode: mode }),
      received: ({ activityId, kind, thread, isRepeat }) =>
        printJsonLine({ type: 'message', activity_id: activityId, kind, thread, repeat: isRepeat }),
      answered: ({ activityId }, { failed, ms }) =>
        printJsonLine({ type: 'answer', activity_id: activityId, ok: !failed, ms }),
    };
  return {
    log,
    stderr,
    connected: ({ name, platformUrl, mode }) =>
      print(`${plain(name)} is connected to ${platformUrl} (${mode}); Ctrl-C ends`),
    received: (message) =>
      print(`${nameOf(message)}${message.isRepeat ? ', again' : ''}: ${shorten(message.text) || '(no text)'}`),
    answered: (message, { failed, ms }) =>
      print(`${failed ? 'failed on' : 'answered'} ${nameOf(message)} after ${(ms / 1000).toFixed(1)} s`),
  };
}
