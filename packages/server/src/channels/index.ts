// Social channels: agents in the chats of people (chapter 20 §9). A message of a chat is one message to the agent, stored before
// its channel is told so, and what the agent answers goes back to the chat.

import type { FastifyInstance } from 'fastify';
import type { Transaction } from 'kysely';
import type { Events } from '../events/index.ts';
import type { MessageEnd, Messaging, QueueRow } from '../messaging/index.ts';
import type { Clock } from '../platform/clock.ts';
import type { Database, Tables } from '../platform/db/index.ts';
import type { Authorize } from '../platform/http.ts';
import type { Logger } from '../platform/log.ts';
import type { Loop } from '../platform/loops.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { Outbound } from '../platform/outbound/index.ts';
import type { Secrets } from '../secrets/index.ts';
import type { Workspaces } from '../workspaces/index.ts';
import { CHANNEL_HOSTS, type ChannelHosts, createAdapters } from './adapters/index.ts';
import { createConfigs } from './configs.ts';
import { createDiscovery } from './discovery.ts';
import { createInbound } from './inbound.ts';
import { createChannelLoops, MANAGER_LOOP } from './loops.ts';
import { createPollers } from './pollers.ts';
import { createReplies } from './replies.ts';
import { mountChannelRoutes } from './routes.ts';
import { createChannelService } from './service.ts';
import * as store from './store.ts';

export type { ChannelHosts } from './adapters/index.ts';

export interface Channels {
  /** In the transaction that ends a queued message: if it came from a chat, what the chat is told. */
  onEndIn(trx: Transaction<Tables>, item: QueueRow, end: MessageEnd): Promise<void>;
  /** In the transaction that removes these workspaces: nothing comes in for them any more. */
  disableFor(trx: Transaction<Tables>, workspaceIds: string[]): Promise<void>;
  loops: Loop[];
  mount(app: FastifyInstance, authorize: Authorize): void;
  close(): Promise<void>;
}

export interface ChannelsDeps {
  db: Database;
  events: Events;
  workspaces: Workspaces;
  messaging: Messaging;
  secrets: Secrets;
  outbound: Outbound;
  clock: Clock;
  metrics: Metrics;
  log: Logger;
  /** Runs a loop as soon as it is free. */
  wake(loop: string): void;
  /** `DISCORD_APP_PUBLIC_KEY` */
  discordKey: string | null;
  /** Other addresses than those of the real APIs. */
  hosts?: Partial<ChannelHosts> | undefined;
}

export function createChannels(deps: ChannelsDeps): Channels {
  const adapters = createAdapters({ ...deps, hosts: { ...CHANNEL_HOSTS, ...deps.hosts } });
  const configs = createConfigs(deps.secrets.fields);
  const replies = createReplies({ ...deps, adapters, configs });
  const inbound = createInbound({ ...deps, adapters, configs, flushReplies: replies.flushSoon });
  const pollers = createPollers({ ...deps, adapters, inbound });
  const wakeManager = () => deps.wake(MANAGER_LOOP);
  const service = createChannelService({ ...deps, adapters, configs, onChange: wakeManager });
  const discover = createDiscovery({ ...deps, adapters, inbound, pollers, wakeManager });
  return {
    onEndIn: replies.onEndIn,
    disableFor: store.disableOf,
    loops: createChannelLoops({ ...deps, adapters, configs, replies, pollers }),
    mount: (app, authorize) => mountChannelRoutes(app, authorize, { service, inbound, discover }),
    async close() {
      await pollers.close();
      await replies.close();
    },
  };
}
