// The heartbeat (chapter 40 §6): one loop, one body builder, and an immediate beat when a turn starts or ends.

import type { Adapter, Capabilities } from '../adapters/adapter.ts';
import type { Credentials } from '../credentials.ts';
import type { Logger } from '../logger.ts';
import type { PlatformClient, PlatformResponse } from './platform-client.ts';
import type { TaskCounter } from './task-counter.ts';
import type { Timers } from './timers.ts';
import type { Wedge } from './wedge.ts';

const INTERVAL_MS = 30_000;
const JITTER = 0.1;
const TIMEOUT_MS = 10_000;
const COALESCE_MS = 250;
const RECREATE_AFTER = 10;
const CAPABILITY_NAMES: (keyof Capabilities)[] = [
  'heartbeat',
  'scheduler',
  'session',
  'status_mgmt',
  'retry',
  'activity_decoration',
  'channel_dispatch',
];

export interface HeartbeatDeps {
  client: PlatformClient;
  credentials: Credentials;
  counter: TaskCounter;
  wedge: Wedge;
  adapter: Adapter;
  timers: Timers;
  log: Logger;
  version: string;
  intervalMs?: number;
  /** After an accepted beat: delegation results. Never delays the next beat. */
  afterBeat(): void;
  /** 404 or 410: the platform does not know this address any more. */
  onUnknown(): void;
  /** The workspace was deleted: nothing is left to do. */
  onDeleted(): void;
}

export interface Heartbeat {
  start(): void;
  /** A beat soon, together with others asked for in the same quarter of a second. */
  poke(): void;
  /** One beat now; for shutdown. */
  beatOnce(): Promise<void>;
  stop(): Promise<void>;
}

export function createHeartbeat(deps: HeartbeatDeps): Heartbeat {
  const { client, credentials, counter, wedge, adapter, timers, log } = deps;
  const interval = deps.intervalMs ?? INTERVAL_MS;
  const startedAt = timers.now();
  const stopping = new AbortController();
  let failures = 0;
  let loop: Promise<void> | null = null;
  let wake = new AbortController();
  let poked = false;
  let sending: Promise<void> = Promise.resolve();

  /** Discovery errors drop the metadata, never the beat. */
  function readMetadata(): Record<string, unknown> | null {
    try {
      const declared = adapter.capabilities();
      const capabilities = Object.fromEntries(CAPABILITY_NAMES.map((name) => [name, declared[name] === true]));
      const idle = adapter.idleTimeoutOverride();
      return {
        capabilities,
        ...(idle !== null && Number.isInteger(idle) && idle > 0 ? { idle_timeout_seconds: idle } : {}),
      };
    } catch (error) {
      log.debug({ err: error }, 'the adapter could not say what it can do');
      return null;
    }
  }

  /** The one builder of every beat: a beat without metadata would make the platform forget the overrides. */
  function buildBody(): Record<string, unknown> {
    const metadata = readMetadata();
    const reason = wedge.reason();
    return {
      workspace_id: client.workspaceId,
      error_rate: counter.errorRate(),
      sample_error: reason ?? counter.lastError() ?? '',
      active_tasks: counter.active(),
      current_task: counter.currentTask(),
      uptime_seconds: Math.floor((timers.now() - startedAt) / 1000),
      ...(reason === null ? {} : { runtime_state: 'wedged' }),
      ...(metadata === null ? {} : { runtime_metadata: metadata }),
      active_messages: counter.messageIds(),
      active_delegations: counter.delegationIds(),
      runtime_version: deps.version,
    };
  }

  const send = () => client.request('POST', '/registry/heartbeat', { body: buildBody(), timeoutMs: TIMEOUT_MS });

  /** Only a non-empty text in a JSON object counts. */
  function keepSecret(body: unknown): void {
    if (typeof body !== 'object' || body === null || Array.isArray(body)) return;
    const { platform_inbound_secret: secret } = body as { platform_inbound_secret?: unknown };
    if (typeof secret === 'string' && secret !== '') credentials.saveInboundSecret(secret);
  }

  function countFailure(reason: string, error?: unknown): void {
    failures += 1;
    if (failures <= 3 || failures % 10 === 0)
      log.warn({ failures, reason, ...(error ? { err: error } : {}) }, 'a heartbeat was not accepted');
    if (failures === RECREATE_AFTER) client.reset();
  }

  async function isDeleted(): Promise<boolean> {
    const state = await client.request('GET', `/workspaces/${client.workspaceId}/state`);
    return state.status === 404 && (state.body as { deleted?: unknown } | null)?.deleted === true;
  }

  async function settleRefusal(): Promise<void> {
    if (await isDeleted()) {
      log.error('this workspace was deleted; stopping');
      stopping.abort();
      deps.onDeleted();
    } else countFailure('the token was refused twice');
  }

  function settle(response: PlatformResponse): void {
    if (response.status >= 200 && response.status < 300) {
      failures = 0;
      counter.resetRates();
      keepSecret(response.body);
      deps.afterBeat();
      return;
    }
    if (response.status === 404 || response.status === 410) deps.onUnknown();
    countFailure(`status ${response.status}`);
  }

  async function beat(): Promise<void> {
    try {
      let response = await send();
      if (response.status === 401) {
        credentials.refresh();
        response = await send();
        if (response.status === 401) return await settleRefusal();
      }
      settle(response);
    } catch (error) {
      countFailure('no answer', error);
    }
  }

  /** Beats never overlap, so an older count cannot arrive after a newer one. */
  function beatInTurn(): Promise<void> {
    sending = sending.then(beat);
    return sending;
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      poked = false;
      try {
        await beatInTurn();
      } catch (error) {
        log.error({ err: error }, 'the heartbeat failed; it goes on');
      }
      wake = new AbortController();
      const pause = interval * (1 - JITTER + Math.random() * 2 * JITTER);
      if (!poked) await timers.sleep(pause, AbortSignal.any([wake.signal, stopping.signal]));
      if (poked && !stopping.signal.aborted) await timers.sleep(COALESCE_MS, stopping.signal);
    }
  }

  counter.onChange(() => poke());
  function poke(): void {
    // The first change goes out at once; more of the same moment share the next beat.
    if (!loop || stopping.signal.aborted) return;
    poked = true;
    wake.abort();
  }

  return {
    start() {
      loop ??= run();
    },
    poke,
    beatOnce: beatInTurn,
    async stop() {
      stopping.abort();
      await loop;
      await sending;
    },
  };
}
