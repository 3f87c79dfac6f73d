// Resumable client of the event socket, for browsers and Node: reconnects with back-off and asks for what it missed by `seq`.
// Owns the connection only; what a frame means is the reader's business.

import { type EventFrame, isEventName } from './events.ts';

/** `connecting` until the first success, then `live` or `reconnecting`; `closed` is final. */
export type StreamState = 'connecting' | 'live' | 'reconnecting' | 'closed';

export interface EventStreamOptions {
  /** Empty for the page's own origin. */
  baseUrl: string;
  /** Bearer, outside of browsers only: a browser sends its session cookie. */
  token?: string;
  workspaceId?: string;
  sinceSeq?: number;
  onFrame(frame: EventFrame): void;
  onState?(state: StreamState): void;
  /**
   * Asked before a retry when the last attempt never opened. A browser cannot see why an upgrade was refused;
   * answer false to end the stream instead of knocking for ever.
   */
  mayRetry?(): Promise<boolean>;
  /** Frames that cannot be read, for a debug log. */
  onBadFrame?(text: string): void;
  WebSocket?: typeof globalThis.WebSocket;
  /** 0…1; spreads the retries of many clients. */
  random?(): number;
}

export interface EventStream {
  readonly state: StreamState;
  /** Highest `seq` seen; what a reconnect asks to continue from. */
  readonly lastSeq: number | undefined;
  /** Retries at once instead of waiting for the back-off. */
  reconnectNow(): void;
  close(): void;
}

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;

/** 1 s · 2ⁿ up to 30 s, a fifth of it at random. */
export function backoffMs(attempt: number, random: () => number = Math.random): number {
  const full = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(attempt, 10), LONGEST_PAUSE_MS);
  return Math.round(full * (0.8 + 0.2 * random()));
}

/** Reads one frame; null for anything that is not one of our events. */
export function readFrame(text: string): EventFrame | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return null;
  }
  if (parsed === null || typeof parsed !== 'object') return null;
  const frame = parsed as Partial<EventFrame>;
  if (typeof frame.event !== 'string' || !isEventName(frame.event)) return null;
  if (typeof frame.workspace_id !== 'string' || Number.isNaN(Date.parse(String(frame.timestamp)))) return null;
  if (frame.payload === null || typeof frame.payload !== 'object') return null;
  return frame as EventFrame;
}

function socketUrl(baseUrl: string, sinceSeq: number | undefined): string {
  const url = new URL('/ws', baseUrl || globalThis.location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  if (sinceSeq !== undefined) url.searchParams.set('since_seq', String(sinceSeq));
  return url.href;
}

export function openEventStream(options: EventStreamOptions): EventStream {
  const Socket = options.WebSocket ?? globalThis.WebSocket;
  const random = options.random ?? Math.random;
  let state: StreamState = 'connecting';
  let lastSeq = options.sinceSeq;
  let attempt = 0;
  let socket: WebSocket | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function setState(next: StreamState): void {
    if (state === next || state === 'closed') return;
    state = next;
    options.onState?.(next);
  }

  function openSocket(): WebSocket {
    const url = socketUrl(options.baseUrl, lastSeq);
    const headers: Record<string, string> = {};
    if (options.token) headers.authorization = `Bearer ${options.token}`;
    if (options.workspaceId) headers['x-workspace-id'] = options.workspaceId;
    // Node's WebSocket takes headers; a browser's would read the argument as a subprotocol.
    return Object.keys(headers).length > 0 ? new Socket(url, { headers } as unknown as string[]) : new Socket(url);
  }

  function connect(): void {
    clearTimeout(timer);
    const mine = openSocket();
    socket = mine;
    let opened = false;
    // Late callbacks of a socket that was replaced do nothing.
    mine.addEventListener('open', () => {
      if (socket !== mine) return;
      opened = true;
      attempt = 0;
      setState('live');
    });
    mine.addEventListener('message', (event: MessageEvent) => {
      if (socket !== mine) return;
      const frame = typeof event.data === 'string' ? readFrame(event.data) : null;
      if (!frame) return options.onBadFrame?.(String(event.data));
      if (frame.seq !== undefined && (lastSeq === undefined || frame.seq > lastSeq)) lastSeq = frame.seq;
      options.onFrame(frame);
    });
    mine.addEventListener('error', () => {
      // A close always follows; it carries the decision.
    });
    mine.addEventListener('close', () => {
      if (socket !== mine) return;
      socket = null;
      if (state !== 'connecting') setState('reconnecting');
      void scheduleRetry(opened);
    });
  }

  async function scheduleRetry(wasOpen: boolean): Promise<void> {
    if (!wasOpen && options.mayRetry && !(await options.mayRetry())) return close();
    if (state === 'closed' || socket) return;
    timer = setTimeout(connect, backoffMs(attempt, random));
    attempt += 1;
  }

  function close(): void {
    clearTimeout(timer);
    const mine = socket;
    socket = null;
    setState('closed');
    mine?.close();
  }

  connect();
  return {
    get state() {
      return state;
    },
    get lastSeq() {
      return lastSeq;
    },
    reconnectNow() {
      if (state === 'closed' || socket) return;
      attempt = 0;
      connect();
    },
    close,
  };
}
