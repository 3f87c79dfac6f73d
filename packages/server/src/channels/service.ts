// Keeping channels and sending through them (chapter 20 §9): what is accepted, what it costs, who may be told.

import type { channelRoutes } from '@molecule/contract';
import type { z } from 'zod';
import type { Events } from '../events/index.ts';
import { type Database, isUniqueViolation } from '../platform/db/index.ts';
import { invalid, notFound, PlatformError } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { Workspaces } from '../workspaces/index.ts';
import type { ChannelAdapter, ChannelConfig } from './adapters/adapter.ts';
import { ChannelSendError } from './adapters/api.ts';
import type { Adapters } from './adapters/index.ts';
import type { Configs } from './configs.ts';
import type { ChannelRow, SendingRow } from './store.ts';
import * as store from './store.ts';

export interface ChannelServiceDeps {
  db: Database;
  events: Events;
  workspaces: Workspaces;
  adapters: Adapters;
  configs: Configs;
  metrics: Metrics;
  log: Logger;
  /** What is configured is not what it was. */
  onChange(): void;
}

type NewChannel = z.output<typeof channelRoutes.createChannel.body>;
type Patch = z.output<typeof channelRoutes.patchChannel.body>;

const ONE_OF_A_KIND = 'workspace_channels_type_idx';

/** @throws invalid_request naming the field. */
function assertUsable(adapter: ChannelAdapter, config: ChannelConfig): void {
  const unknown = Object.keys(config).find((key) => !adapter.fields.some((field) => field.key === key));
  if (unknown !== undefined)
    throw invalid(`config.${unknown}`, `invalid channel config: ${adapter.displayName} has no such field`);
  const fault = adapter.findFault(config);
  if (fault) throw invalid(`config.${fault.field}`, `invalid channel config: ${fault.message}`);
}

export function createChannelService(deps: ChannelServiceDeps) {
  const { db, events, workspaces, adapters, configs, metrics, log, onChange } = deps;

  async function assertLive(id: string): Promise<void> {
    const facts = await workspaces.facts(id);
    if (!facts || facts.status === 'removed') throw notFound('workspace');
  }

  async function findOf(workspaceId: string, id: string): Promise<{ row: SendingRow; adapter: ChannelAdapter }> {
    const row = await store.findToSend(db.kysely, workspaceId, id);
    const adapter = row ? adapters.find(row.channel_type) : null;
    if (!row || !adapter) throw notFound('channel');
    return { row, adapter };
  }

  /** Counted before it is sent, so that two at once do not share the last one. A look-up that fails lets it pass, uncounted. */
  async function takeFromBudget(id: string): Promise<0 | 1> {
    let isTaken: boolean;
    try {
      isTaken = await store.takeFromBudget(db.kysely, id);
    } catch (error) {
      log.error({ err: error, channel_id: id }, 'the budget of a channel could not be read; the message is sent');
      metrics.failOpen.inc({ check: 'channel_budget' });
      return 1;
    }
    if (!isTaken) throw new PlatformError('channel_budget_exceeded', 'channel budget exceeded');
    return 0;
  }

  async function sendToAll(adapter: ChannelAdapter, row: SendingRow, text: string): Promise<void> {
    const config = configs.open(adapter, row.channel_config);
    const failures: ChannelSendError[] = [];
    for (const chatId of adapter.destinations(config)) {
      try {
        for (const part of adapter.split(text)) await adapter.send(config, { chatId, thread: null }, part);
      } catch (error) {
        if (!(error instanceof ChannelSendError)) throw error;
        failures.push(error);
      }
    }
    if (failures[0]) throw failures[0];
  }

  return {
    adapters: () =>
      adapters.all.map(({ type, displayName, fields }) => ({
        type,
        display_name: displayName,
        config_schema: [...fields],
      })),
    /** With secrets masked. @throws not_found */
    async list(workspaceId: string): Promise<(ChannelRow & { shown: Record<string, string> })[]> {
      await assertLive(workspaceId);
      const rows = await store.listOf(db.kysely, workspaceId);
      return rows.map((row) => {
        const adapter = adapters.find(row.channel_type);
        return { ...row, shown: adapter ? configs.show(adapter, row.channel_config) : {} };
      });
    },
    /** @throws not_found, invalid_request, conflict */
    async create(workspaceId: string, body: NewChannel): Promise<string> {
      await assertLive(workspaceId);
      const adapter = adapters.find(body.channel_type);
      if (!adapter) throw invalid('channel_type', `unsupported; known are ${adapters.all.map(({ type }) => type)}`);
      assertUsable(adapter, body.config);
      const content = {
        config: configs.seal(adapter, body.config),
        keyId: configs.keyId,
        allowedUsers: body.allowed_users,
        enabled: body.enabled,
        budget: body.channel_budget,
      };
      try {
        const id = await store.insert(db.kysely, workspaceId, adapter.type, content);
        onChange();
        return id;
      } catch (error) {
        if (!isUniqueViolation(error, ONE_OF_A_KIND)) throw error;
        throw new PlatformError('conflict', `the workspace has a ${adapter.displayName} channel already`, {
          field: 'channel_type',
        });
      }
    },
    /** @throws not_found, invalid_request */
    async patch(workspaceId: string, id: string, body: Patch): Promise<void> {
      await assertLive(workspaceId);
      await db.tx(async (trx) => {
        const row = await store.lockOf(trx, workspaceId, id);
        const adapter = row ? adapters.find(row.channel_type) : null;
        if (!row || !adapter) throw notFound('channel');
        const config = body.config && configs.keepMasked(adapter, row.channel_config, body.config);
        if (config) assertUsable(adapter, config);
        await store.update(trx, id, {
          config: config ? configs.seal(adapter, config) : row.channel_config,
          keyId: config ? configs.keyId : (row.key_id ?? configs.keyId),
          allowedUsers: body.allowed_users ?? row.allowed_users,
          enabled: body.enabled ?? row.enabled,
          budget: body.channel_budget === undefined ? row.channel_budget : body.channel_budget,
        });
      });
      onChange();
    },
    /** @throws not_found */
    async remove(workspaceId: string, id: string): Promise<void> {
      if (!(await store.remove(db.kysely, workspaceId, id))) throw notFound('channel');
      onChange();
    },
    /** In every chat of the channel. @throws not_found, channel_budget_exceeded, channel_send_failed */
    async send(workspaceId: string, id: string, text: string): Promise<void> {
      const { row, adapter } = await findOf(workspaceId, id);
      const uncounted = await takeFromBudget(id);
      try {
        await sendToAll(adapter, row, text);
      } catch (error) {
        if (uncounted === 0) await store.giveBack(db.kysely, id);
        if (!(error instanceof ChannelSendError)) throw error;
        log.warn({ channel_id: id, reason: error.message }, 'a message to a channel was not taken');
        throw new PlatformError('channel_send_failed', 'send failed', { reason: error.message });
      }
      await db.tx(async (trx) => {
        await store.noteSent(trx, id, uncounted);
        await events.append(trx, {
          event: 'CHANNEL_MESSAGE',
          workspace_id: workspaceId,
          payload: { channel_id: id, channel_type: row.channel_type, direction: 'outbound' },
        });
      });
    },
  };
}

export type ChannelService = ReturnType<typeof createChannelService>;
