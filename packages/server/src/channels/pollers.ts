// Asking channels that do not tell by themselves (chapter 20 §9): one poller for each bot, on one replica, kept to what is
// configured. An update is confirmed only when what it says is stored.

import type { Database } from '../platform/db/index.ts';
import { startDeadline } from '../platform/deadline.ts';
import type { Logger } from '../platform/log.ts';
import type { ChannelAdapter, ChannelConfig, Polling } from './adapters/adapter.ts';
import { ChannelSendError } from './adapters/api.ts';
import type { Adapters } from './adapters/index.ts';
import type { InboundDoor } from './inbound.ts';
import * as store from './store.ts';

/** Longer than one poll and the pass that renews it: without passes here, another replica has taken over. */
const RENEWED_FOR_MS = 60_000;
const REST_MS = 5_000;

export interface PollersDeps {
  db: Database;
  adapters: Adapters;
  inbound: InboundDoor;
  log: Logger;
}

interface Poller {
  ending: AbortController;
  done: Promise<void>;
  until: number;
}

type PolledAdapter = ChannelAdapter & { polling: Polling };
const isPolled = (adapter: ChannelAdapter): adapter is PolledAdapter => adapter.polling !== undefined;

/** Until that time has passed, or the poller is to end. */
async function rest(milliseconds: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = () => resolve();
  const deadline = startDeadline({ silenceMs: milliseconds, ceilingMs: null, onExpire: end });
  signal.addEventListener('abort', end, { once: true });
  await promise;
  signal.removeEventListener('abort', end);
  deadline.cancel();
}

export function createPollers({ db, adapters, inbound, log }: PollersDeps) {
  const running = new Map<string, Poller>();
  /** Bots somebody else talks to for a moment. */
  const paused = new Set<string>();
  let closed = false;

  /** Channels that are polled, by bot; oldest first. */
  async function listPolled(
    adapter: PolledAdapter,
  ): Promise<Map<string, { config: ChannelConfig; rows: store.ChannelRow[] }>> {
    const bots = new Map<string, { config: ChannelConfig; rows: store.ChannelRow[] }>();
    for (const { row, config } of inbound.openAll(adapter, await store.listEnabled(db.kysely, adapter.type))) {
      const key = adapter.polling.keyOf(config);
      if (key === null) continue;
      const bot = bots.get(key) ?? { config, rows: [] };
      bot.rows.push(row);
      bots.set(key, bot);
    }
    return bots;
  }

  async function pollOnce(
    adapter: PolledAdapter,
    key: string,
    config: ChannelConfig,
    from: number,
    signal: AbortSignal,
  ) {
    const { inbound: updates, next } = await adapter.polling.fetch(config, from, signal);
    if (updates.length === 0) return next;
    const rows = (await listPolled(adapter)).get(key)?.rows ?? [];
    for (const update of updates) await inbound.takeFetched(adapter, rows, update);
    return next;
  }

  async function pollOn(adapter: PolledAdapter, key: string, config: ChannelConfig, poller: Poller): Promise<void> {
    const { signal } = poller.ending;
    let from = 0;
    while (!signal.aborted && performance.now() < poller.until) {
      try {
        from = await pollOnce(adapter, key, config, from, signal);
      } catch (error) {
        if (signal.aborted) return;
        const said = error instanceof ChannelSendError ? { reason: error.message } : { err: error };
        log.warn({ channel_type: adapter.type, ...said }, 'a channel could not be asked; it is asked again');
        const wait = error instanceof ChannelSendError ? (error.retryAfterSeconds ?? 0) * 1_000 : 0;
        await rest(Math.max(REST_MS, wait), signal);
      }
    }
  }

  function start(adapter: PolledAdapter, key: string, config: ChannelConfig): void {
    const poller: Poller = {
      ending: new AbortController(),
      until: performance.now() + RENEWED_FOR_MS,
      done: Promise.resolve(),
    };
    running.set(key, poller);
    poller.done = pollOn(adapter, key, config, poller).finally(() => {
      if (running.get(key) === poller) running.delete(key);
    });
  }

  async function stop(key: string): Promise<void> {
    const poller = running.get(key);
    running.delete(key);
    poller?.ending.abort();
    await poller?.done;
  }

  return {
    /** Starts and ends pollers until they are those of the enabled channels. */
    async reconcile(): Promise<Record<string, number>> {
      const wanted = new Set<string>();
      for (const adapter of adapters.all.filter(isPolled))
        for (const [key, { config }] of await listPolled(adapter)) {
          wanted.add(key);
          const poller = running.get(key);
          if (poller) poller.until = performance.now() + RENEWED_FOR_MS;
          else if (!closed && !paused.has(key)) start(adapter, key, config);
        }
      const superfluous = [...running.keys()].filter((key) => !wanted.has(key));
      await Promise.all(superfluous.map(stop));
      return { polled: running.size, ended: superfluous.length };
    },
    /** The poller of this bot rests while `work` talks to it: a bot answers one caller at a time. */
    async without<T>(key: string | null, work: () => Promise<T>): Promise<T> {
      if (key === null || paused.has(key)) return await work();
      paused.add(key);
      try {
        await stop(key);
        return await work();
      } finally {
        paused.delete(key);
      }
    },
    async close(): Promise<void> {
      closed = true;
      await Promise.all([...running.keys()].map(stop));
    },
  };
}

export type Pollers = ReturnType<typeof createPollers>;
