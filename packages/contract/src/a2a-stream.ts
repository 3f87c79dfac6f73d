// Reads the event stream of an A2A reply over as many connections as it takes (chapter 20 §1.10): when one breaks, the next goes on
// after the last event seen. Owns the connection only; what a frame means is the reader's business.

import { backoffMs } from './stream.ts';

/** JSON-RPC frame, in the version the request was sent in. */
export type A2aFrame = Record<string, unknown> & {
  result?: unknown;
  error?: { code?: number; message?: string } | undefined;
};

export interface A2aStreamOptions {
  onFrame(frame: A2aFrame): void;
  /**
   * Asks for the rest: the same request once more, or a resubscribe to its task, with `Last-Event-ID`.
   * Rejects when the platform cannot be reached.
   */
  resume(lastEventId: string): Promise<Response>;
  /** Asked before each try; false ends the reading. */
  mayResume?(): boolean;
  /** 0…1; spreads the tries of many readers. */
  random?(): number;
}

/** `complete`: it was read to its end. `broken`: it was not, and the rest cannot be had. */
export type A2aStreamEnd = 'complete' | 'broken';

/** About two minutes: a platform that starts again is back by then. */
const MOST_TRIES = 8;
/** The platform's word for an agent, or a process of its own, that went in mid-stream. */
const INTERRUPTED = 'stream interrupted';

interface Connection {
  /** Its last frame says that nothing follows. */
  isFinal: boolean;
  /** It ended with an error frame that a later connection may still take back. */
  interruption: A2aFrame | null;
  broke: boolean;
  events: number;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

const isStream = (response: Response) =>
  (response.headers.get('content-type') ?? '').startsWith('text/event-stream') && response.body !== null;

function isFinal({ result, error }: A2aFrame): boolean {
  if (error) return true;
  return isObject(result) && (result.final === true || result.kind === 'message');
}

/** One event; null for comments. @throws SyntaxError for data that is no JSON. */
function readEvent(text: string): { id: string | null; frame: A2aFrame } | null {
  const lines = text.split(/\r?\n/);
  const data = lines.filter((line) => line.startsWith('data:')).map((line) => line.slice(5).trimStart());
  if (data.length === 0) return null;
  const id = lines
    .find((line) => line.startsWith('id:'))
    ?.slice(3)
    .trim();
  return { id: id || null, frame: JSON.parse(data.join('\n')) };
}

async function* eventsOf(response: Response) {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let pending = '';
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done) return;
    const events = (pending + value).split(/\r?\n\r?\n/);
    pending = events.pop() ?? '';
    for (const text of events) {
      const event = readEvent(text);
      if (event) yield event;
    }
  }
}

/**
 * @param response the first connection, whose content type is `text/event-stream`.
 * @returns how it ended. Never rejects for a connection that breaks; an `onFrame` that throws ends the reading with its error.
 */
export async function readA2aStream(response: Response, options: A2aStreamOptions): Promise<A2aStreamEnd> {
  const { onFrame, resume, mayResume = () => true, random } = options;
  let lastEventId: string | null = null;
  let tries = 0;

  async function read(from: Response): Promise<Connection> {
    const connection: Connection = { isFinal: false, interruption: null, broke: false, events: 0 };
    const events = eventsOf(from);
    for (;;) {
      const next = await events.next().catch(() => null);
      if (!next) return { ...connection, broke: true };
      if (next.done) return connection;
      const { id, frame } = next.value;
      if (frame.error?.message === INTERRUPTED) {
        connection.interruption = frame;
        continue;
      }
      lastEventId = id ?? lastEventId;
      connection.events += 1;
      connection.isFinal = isFinal(frame);
      onFrame(frame);
    }
  }

  /** Null when it cannot be had, or never will be. */
  async function reconnect(after: string): Promise<Response | null> {
    while (tries < MOST_TRIES && mayResume()) {
      await new Promise((resolve) => setTimeout(resolve, backoffMs(tries, random)));
      tries += 1;
      if (!mayResume()) return null;
      const next = await resume(after).catch(() => null);
      if (!next || next.status >= 500) continue;
      return isStream(next) ? next : null;
    }
    return null;
  }

  for (let from = response; ; ) {
    const { isFinal: isOver, interruption, broke, events } = await read(from);
    const isFirst = from === response;
    if (isOver) return 'complete';
    if (events > 0) tries = 0;
    // Asked again, the platform said the same: that is the end.
    const isSettled = !isFirst && events === 0 && !broke;
    const next = isSettled || lastEventId === null ? null : await reconnect(lastEventId);
    if (next) {
      from = next;
      continue;
    }
    if (interruption) onFrame(interruption);
    return broke || interruption || !isSettled ? 'broken' : 'complete';
  }
}
