// Keeps the picture true: opens the socket, fetches the list, polls while the socket is down, fetches again when in doubt.
// Owns the timers and the fetches; the store owns the state.

import { ApiError, type EventFrame, type EventStream, openEventStream } from '@molecule/contract';
import { api } from '../app/api.ts';
import { publishEvent } from './bus.ts';
import { applyFrames, applySnapshot, setConnection, setHydration, useLive } from './store.ts';

const POLL_MS = 10_000;
const QUIET_MS = 30_000;
const REPEAT_MS = 1_500;
const ORPHAN_MS = 2_000;
const HIDDEN_MS = 300_000;
const OFFLINE_AFTER_MS = 60_000;
const OPEN_WITHIN_MS = 1_500;
const HEARD_STEP_MS = 5_000;
const CONNECTING_MS = 5_000;

export interface ConnectionHooks {
  /** Whether the session still stands; `false` ends the connection (the caller shows the login page). */
  hasSession(): Promise<boolean>;
  /** A real drop came to an end. */
  onRestored(): void;
  /** A list fetch failed in a way that is not a lost connection (401, 503 of the platform, 500 …). */
  onRefused(error: ApiError): void;
}

let hooks: ConnectionHooks | null = null;
let stream: EventStream | null = null;
let timers: ReturnType<typeof setInterval>[] = [];
let orphanTimer: ReturnType<typeof setTimeout> | undefined;
let fetching: Promise<void> | null = null;
let fetchedAt = 0;
let lastFrameAt = 0;
let hiddenSince: number | null = null;
let batch: EventFrame[] = [];
let batchTimer: number | undefined;
/** Frames since the running fetch began, to be applied over its result. */
let recorded: EventFrame[] | null = null;

/** Coarse on purpose: a new object per frame would re-render everything that shows the connection. */
function heard(): void {
  const now = Date.now();
  if (now - useLive.getState().connection.lastContactAt > HEARD_STEP_MS) setConnection({ lastContactAt: now });
}

async function fetchList(): Promise<void> {
  const askedAt = Date.now();
  recorded = [];
  try {
    const rows = await api.listWorkspaces();
    flush();
    applySnapshot({ rows, askedAt, framesSince: recorded });
    setConnection({ lastContactAt: Date.now(), canWrite: true });
  } catch (error) {
    const failure = error instanceof ApiError ? error : new ApiError(0, 'unknown', String(error));
    if (failure.status === 0 && stream?.state !== 'live') setConnection({ canWrite: false });
    if (useLive.getState().hydration.state !== 'ready') setHydration({ state: 'failed', message: failure.message });
    hooks?.onRefused(failure);
  } finally {
    recorded = null;
    fetchedAt = Date.now();
  }
}

/** Fetches the list: one at a time, and not again within 1.5 s unless `force`. */
export function rehydrate({ force = false }: { force?: boolean } = {}): Promise<void> {
  if (fetching) return fetching;
  if (!force && Date.now() - fetchedAt < REPEAT_MS) return Promise.resolve();
  fetching = fetchList().finally(() => {
    fetching = null;
  });
  return fetching;
}

/** All frames of one animation frame become one change of state. A hidden tab draws nothing, so it needs no batch. */
function flush(): void {
  if (batchTimer !== undefined) cancelAnimationFrame(batchTimer);
  batchTimer = undefined;
  if (batch.length === 0) return;
  const frames = batch;
  batch = [];
  const { nodes } = useLive.getState().model;
  // The first event of a workspace tells less than its row.
  const isNews = frames.some((frame) => frame.event === 'WORKSPACE_PROVISIONING' && !nodes[frame.workspace_id]);
  applyFrames(frames);
  if (!isNews && Object.keys(useLive.getState().model.waiting).length === 0) return;
  clearTimeout(orphanTimer);
  orphanTimer = setTimeout(() => void rehydrate(), ORPHAN_MS);
}

function takeFrame(frame: EventFrame): void {
  heard();
  if (frame.event !== 'WORKSPACE_HEARTBEAT') lastFrameAt = Date.now();
  if (frame.event === 'RESYNC_REQUIRED') void rehydrate();
  recorded?.push(frame);
  publishEvent(frame);
  const hiddenLong = hiddenSince !== null && Date.now() - hiddenSince > HIDDEN_MS;
  if (hiddenLong) return;
  batch.push(frame);
  if (document.hidden) flush();
  else batchTimer ??= requestAnimationFrame(flush);
}

function takeState(state: EventStream['state']): void {
  const before = useLive.getState().connection;
  const now = Date.now();
  if (state === 'live') {
    const dropped = before.state === 'reconnecting' || before.state === 'offline';
    setConnection({ state: 'live', since: now, lastContactAt: now, canWrite: true });
    lastFrameAt = now;
    // Broadcasts are not replayed: what the tasks are now only the list knows.
    if (dropped) {
      void rehydrate({ force: true });
      hooks?.onRestored();
    }
  } else if (state === 'reconnecting' && before.state === 'live') {
    setConnection({ state: 'reconnecting', since: now, canWrite: false });
  }
}

function tick(): void {
  const { connection } = useLive.getState();
  const now = Date.now();
  if (connection.state === 'live') {
    if (now - lastFrameAt >= QUIET_MS && !document.hidden) {
      lastFrameAt = now;
      void rehydrate();
    }
    return;
  }
  if (connection.state === 'connecting' && now - connection.since > CONNECTING_MS)
    setConnection({ state: 'reconnecting', since: now });
  if (connection.state === 'reconnecting' && now - connection.since > OFFLINE_AFTER_MS)
    setConnection({ state: 'offline' });
  if (now - fetchedAt >= POLL_MS) void rehydrate();
}

function onVisibility(): void {
  if (document.hidden) {
    hiddenSince ??= Date.now();
    return;
  }
  const awayMs = hiddenSince === null ? 0 : Date.now() - hiddenSince;
  hiddenSince = null;
  if (awayMs > HIDDEN_MS) void rehydrate({ force: true });
  stream?.reconnectNow();
}

const onOnline = () => stream?.reconnectNow();

/** Opens the socket first and then fetches, so that no event falls between the two. */
export async function startConnection(given: ConnectionHooks): Promise<void> {
  stopConnection();
  hooks = given;
  setHydration({ state: 'loading' });
  let opened: () => void = () => {};
  const open = new Promise<void>((resolve) => {
    opened = resolve;
    setTimeout(resolve, OPEN_WITHIN_MS);
  });
  stream = openEventStream({
    baseUrl: '',
    onFrame: takeFrame,
    onState: (state) => {
      takeState(state);
      opened();
    },
    mayRetry: async () => {
      opened();
      return given.hasSession();
    },
    onBadFrame: (text) => console.debug('A frame could not be read', text.slice(0, 200)),
  });
  timers = [setInterval(tick, 1_000)];
  document.addEventListener('visibilitychange', onVisibility);
  window.addEventListener('online', onOnline);
  await open;
  await rehydrate({ force: true });
}

export function stopConnection(): void {
  stream?.close();
  stream = null;
  for (const timer of timers) clearInterval(timer);
  timers = [];
  clearTimeout(orphanTimer);
  document.removeEventListener('visibilitychange', onVisibility);
  window.removeEventListener('online', onOnline);
  batch = [];
}
