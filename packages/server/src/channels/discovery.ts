// Which chats a bot is in (chapter 20 §9), asked with a token that need not be saved yet. Only the tokens of the asking workspace
// are read, to let its own poller rest meanwhile.

import type { Database } from '../platform/db/index.ts';
import { invalid, notFound, PlatformError } from '../platform/errors.ts';
import type { Workspaces } from '../workspaces/index.ts';
import type { ChannelAdapter, Discovered } from './adapters/adapter.ts';
import { ChannelSendError } from './adapters/api.ts';
import type { Adapters } from './adapters/index.ts';
import type { InboundDoor } from './inbound.ts';
import type { Pollers } from './pollers.ts';
import * as store from './store.ts';

export interface DiscoveryDeps {
  db: Database;
  workspaces: Workspaces;
  adapters: Adapters;
  inbound: InboundDoor;
  pollers: Pollers;
  /** Starts the poller again. */
  wakeManager(): void;
}

export function createDiscovery({ db, workspaces, adapters, inbound, pollers, wakeManager }: DiscoveryDeps) {
  /** The bot of the token, if a channel of this workspace has it polled. */
  async function findOwnBot(workspaceId: string, adapter: ChannelAdapter, token: string): Promise<string | null> {
    const own = (await store.listOf(db.kysely, workspaceId)).filter((row) => row.channel_type === adapter.type);
    const found = inbound.openAll(adapter, own).find(({ config }) => config.bot_token === token);
    return found ? (adapter.polling?.keyOf(found.config) ?? null) : null;
  }

  /** @throws invalid_request, not_found, channel_send_failed */
  return async (workspaceId: string, type: string, token: string): Promise<Discovered> => {
    const adapter = adapters.find(type);
    const discover = adapter?.discover;
    if (!adapter || !discover) throw invalid('channel_type', 'chats of this kind of channel cannot be looked up');
    const fault = adapter.findFault({ bot_token: token });
    if (fault?.field === 'bot_token') throw invalid('bot_token', fault.message);
    const facts = await workspaces.facts(workspaceId);
    if (!facts || facts.status === 'removed') throw notFound('workspace');
    const bot = await findOwnBot(workspaceId, adapter, token);
    try {
      return await pollers.without(bot, () => discover({ bot_token: token }));
    } catch (error) {
      if (!(error instanceof ChannelSendError)) throw error;
      if (/unauthorized|not found/i.test(error.message))
        throw invalid('bot_token', `${adapter.displayName} does not know this token`);
      throw new PlatformError('channel_send_failed', 'the chats could not be looked up', { reason: error.message });
    } finally {
      if (bot !== null) wakeManager();
    }
  };
}

export type Discovery = ReturnType<typeof createDiscovery>;
