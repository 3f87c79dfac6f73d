// The background work of channels: replies that are due, what is old, and configs under an earlier key.

import type { Database } from '../platform/db/index.ts';
import type { Logger } from '../platform/log.ts';
import type { Loop } from '../platform/loops.ts';
import type { Adapters } from './adapters/index.ts';
import type { Configs } from './configs.ts';
import type { Pollers } from './pollers.ts';
import type { Replies } from './replies.ts';
import * as store from './store.ts';

const BATCH = 500;
/** Longer than any channel goes on delivering one message. */
const REMEMBERED_DAYS = 7;
const FIRST_ID = '00000000-0000-0000-0000-000000000000';

export const MANAGER_LOOP = 'channel-manager';
const MOST_TYPING = 50;

export interface ChannelLoopDeps {
  db: Database;
  adapters: Adapters;
  configs: Configs;
  replies: Replies;
  pollers: Pollers;
  log: Logger;
}

export function createChannelLoops({ db, adapters, configs, replies, pollers, log }: ChannelLoopDeps): Loop[] {
  /** Where the next pass goes on, so that configs nobody can read do not hold up those behind them. */
  let position = FIRST_ID;

  async function rewrite(row: store.ChannelRow): Promise<boolean> {
    const adapter = adapters.find(row.channel_type);
    if (!adapter) return false;
    try {
      const config = configs.seal(adapter, configs.open(adapter, row.channel_config));
      return await store.rewriteConfig(db.kysely, row, config, configs.keyId);
    } catch (error) {
      log.error({ err: error, channel_id: row.id }, 'the secrets of a channel cannot be written under the current key');
      return false;
    }
  }

  /** Chats whose agent is at it see so. */
  async function showTyping(): Promise<number> {
    const types = adapters.all.filter(({ sendTyping }) => sendTyping).map(({ type }) => type);
    const rows = await store.listInTurn(db.kysely, types, MOST_TYPING);
    await Promise.all(
      rows.map(async (row) => {
        const channel = await store.find(db.kysely, row.channel_id);
        const adapter = channel ? adapters.find(channel.channel_type) : null;
        if (!channel || !adapter) return;
        try {
          const config = configs.open(adapter, channel.channel_config);
          await adapter.sendTyping?.(config, { chatId: row.chat_id, thread: row.thread });
        } catch (error) {
          log.debug({ err: error, channel_id: channel.id }, 'a chat could not be shown that its agent is at it');
        }
      }),
    );
    return rows.length;
  }

  return [
    {
      name: MANAGER_LOOP,
      why: 'Channels that have to be asked would not be, or those that were taken away still would.',
      everyMs: 10_000,
      timeoutMs: 30_000,
      runs: 'one-replica',
      run: () => pollers.reconcile(),
    },
    {
      name: 'channel-typing',
      why: 'Chats would not see that their agent is at it.',
      everyMs: 4_000,
      timeoutMs: 15_000,
      runs: 'one-replica',
      run: async () => ({ shown: await showTyping() }),
    },
    {
      name: 'channel-replies',
      why: 'A reply a channel did not take at once would never reach its chat.',
      everyMs: 5_000,
      timeoutMs: 60_000,
      runs: 'one-replica',
      run: async () => ({ noticed: await replies.noticeWaiting(), sent: await replies.flush() }),
    },
    {
      name: 'channel-cleanup',
      why: 'Messages of chats would be remembered for ever.',
      everyMs: 3_600_000,
      timeoutMs: 30_000,
      runs: 'one-replica',
      run: async () => ({ deleted: await store.deleteOldMessages(db.kysely, REMEMBERED_DAYS, BATCH) }),
    },
    {
      name: 'channel-rotation',
      why: 'Secrets of channels under an earlier key would become unreadable the day that key is taken away.',
      everyMs: 60_000,
      timeoutMs: 30_000,
      runs: 'one-replica',
      async run(signal) {
        const rows = await store.listUnderOtherKeys(db.kysely, configs.keyId, position, BATCH);
        let rewritten = 0;
        for (const row of rows) {
          if (signal.aborted) break;
          if (await rewrite(row)) rewritten += 1;
        }
        position = rows.length < BATCH ? FIRST_ID : (rows.at(-1)?.id ?? FIRST_ID);
        return { rewritten, unreadable: rows.length - rewritten };
      },
    },
  ];
}
