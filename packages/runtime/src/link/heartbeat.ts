// The heartbeat (chapter 40 §6): one loop, one body builder, and an immediate beat when a turn starts or ends.

import { type Adapter, readCapabilities } from '../adapters/adapter.ts';
import type { Credentials } from '../credentials.ts';
import type { Logger } from '../logger.ts';
import { isDeleted } from './deletion.ts';
import type { PlatformClient, PlatformResponse } from './platform-client.ts';
import type { Rates, TaskCounter } from './task-counter.ts';
import type { Timers } from './timers.ts';
import type { Wedge } from './wedge.ts';

const INTERVAL_MS = 30_000;
const JITTER = 0.1;
const TIMEOUT_MS = 10_000;
/** The platform ends a process ten seconds after asking it to go. */
const FAREWELL_TIMEOUT_MS = 1_000;
/** Beats asked for within this time are one, but for the first that tells of a turn's end: at most eight a second. */
const COALESCE_MS = 250;
const RECREATE_EVERY = 10;

export interface HeartbeatDeps {
  client: PlatformClient;
  credentials: Credentials;
  counter: TaskCounter;
  wedge: Wedge;
  adapter: Pick<Adapter, 'capabilities' | 'idleTimeoutOverride'>;
  timers: Timers;
  log: Logger;
  version: string;
  intervalMs?: number;
  /** After an accepted beat: delegation results. Never delays the next beat. */
  afterBeat(): void;
  /** 404 or 410: the platform does not know this address any more. */
  onUnknown(): void;
  /** The token was refused twice, and the workspace lives; without it the agent goes on trying. */
  onRefused?(): void;
  /** The workspace was deleted: nothing is left to do. */
  onDeleted(): void;
}

export interface Heartbeat {
  start(): void;
  /** A beat at once, together with others asked for in the same quarter of a second. A turn's end does not wait so long. */
  poke(): void;
  /** Ends the loop; resolves when nothing is under way. */
  stop(): Promise<void>;
  /** The last beat of a process, after `stop`. Never rejects. */
  sayFarewell(): Promise<void>;
}

export function createHeartbeat(deps: HeartbeatDeps): Heartbeat {
  const { client, credentials, counter, wedge, adapter, timers, log } = deps;
  const interval = deps.intervalMs ?? INTERVAL_MS;
  const startedAt = timers.now();
  const stopping = new AbortController();
  let failures = 0;
  let lastBeatAt = Number.NEGATIVE_INFINITY;
  let loop: Promise<void> | null = null;
  /** Of the last beat that told of a turn's end. */
  let toldOfEndAt = Number.NEGATIVE_INFINITY;
  let wake = new AbortController();
  let hurry = new AbortController();
  let poked = false;
  let hasEnded = false;

  /** Discovery errors drop the metadata, never the beat. */
  function readMetadata(): Record<string, unknown> | null {
    try {
      const idle = adapter.idleTimeoutOverride();
      return {
        capabilities: readCapabilities(adapter),
        ...(idle !== null && Number.isInteger(idle) && idle > 0 ? { idle_timeout_seconds: idle } : {}),
      };
    } catch (error) {
      log.debug({ err: error }, 'the adapter could not say what it can do');
      return null;
    }
  }

  /** The one builder of every beat: a beat without metadata would make the platform forget the overrides. */
  function buildBody({ requests, errors }: Rates): Record<string, unknown> {
    const metadata = readMetadata();
    const reason = wedge.reason();
    return {
      workspace_id: client.workspaceId,
      error_rate: requests === 0 ? 0 : errors / requests,
      sample_error: reason ?? counter.lastError() ?? '',
      active_tasks: counter.active(),
      current_task: counter.currentTask(),
      uptime_seconds: Math.floor((timers.now() - startedAt) / 1000),
      ...(reason === null ? {} : { runtime_state: 'wedged' }),
      ...(metadata === null ? {} : { runtime_metadata: metadata }),
      active_messages: counter.messageIds(),
      active_delegations: counter.delegationIds(),
      needs_restart: false,
      runtime_version: deps.version,
    };
  }

  /** @returns null when no answer came. */
  async function send(rates: Rates): Promise<PlatformResponse | null> {
    const body = buildBody(rates);
    try {
      return await client.request('POST', '/registry/heartbeat', {
        body,
        timeoutMs: TIMEOUT_MS,
        signal: stopping.signal,
      });
    } catch (error) {
      if (!stopping.signal.aborted) countFailure('no answer', error);
      return null;
    }
  }

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
    if (failures % RECREATE_EVERY === 0) client.reset();
  }

  async function settleRefusal(): Promise<void> {
    const deleted = await isDeleted(client, stopping.signal).catch((error: unknown) => {
      log.debug({ err: error }, 'the state of this workspace could not be read');
      return false;
    });
    if (!deleted) {
      countFailure('the token was refused twice');
      deps.onRefused?.();
      return;
    }
    log.error('this workspace was deleted; stopping');
    stopping.abort();
    deps.onDeleted();
  }

  async function beat(): Promise<void> {
    lastBeatAt = timers.now();
    const rates = counter.rates();
    let response = await send(rates);
    if (response?.status === 401) {
      credentials.refresh();
      response = await send(rates);
      if (response?.status === 401) return await settleRefusal();
    }
    if (response === null) return;
    if (response.status >= 200 && response.status < 300) {
      failures = 0;
      counter.settleRates(rates);
      keepSecret(response.body);
      deps.afterBeat();
      return;
    }
    if (response.status === 404 || response.status === 410) deps.onUnknown();
    countFailure(`status ${response.status}`);
  }

  /** A running turn is heard of at least every interval, so the jitter only shortens its pauses. */
  function pickPause(): number {
    const spread = counter.active() > 0 ? JITTER : 2 * JITTER;
    return interval * (1 - JITTER + Math.random() * spread);
  }

  /** Those that begin share a beat; an end is told at once, because a message may wait for it, and the next ends share a beat. */
  async function coalesce(): Promise<void> {
    const pauseFrom = (at: number) => Math.max(0, at + COALESCE_MS - timers.now());
    if (!hasEnded) await timers.sleep(pauseFrom(lastBeatAt), AbortSignal.any([hurry.signal, stopping.signal]));
    if (hasEnded) await timers.sleep(pauseFrom(toldOfEndAt), stopping.signal);
  }

  async function beatAndWait(): Promise<void> {
    if (hasEnded) toldOfEndAt = timers.now();
    poked = false;
    hasEnded = false;
    hurry = new AbortController();
    await beat();
    wake = new AbortController();
    if (!poked) await timers.sleep(pickPause(), AbortSignal.any([wake.signal, stopping.signal]));
    if (poked) await coalesce();
  }

  /** Only `stop` and a deletion end it. */
  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      try {
        await beatAndWait();
      } catch (error) {
        log.error({ err: error }, 'the heartbeat failed; it goes on');
        await timers.sleep(interval, stopping.signal);
      }
    }
  }

  function poke(): void {
    poked = true;
    wake.abort();
  }
  counter.onChange((change) => {
    if (change === 'ended') {
      hasEnded = true;
      hurry.abort();
    }
    poke();
  });

  return {
    start() {
      loop ??= run();
    },
    poke,
    async stop() {
      stopping.abort();
      await loop;
    },
    async sayFarewell() {
      try {
        await client.request('POST', '/registry/heartbeat', {
          body: buildBody(counter.rates()),
          timeoutMs: FAREWELL_TIMEOUT_MS,
        });
      } catch (error) {
        log.debug({ err: error }, 'the last heartbeat did not arrive');
      }
    },
  };
}
