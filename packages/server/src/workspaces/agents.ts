// Which agent sits in a seat (chapter 10 §2.3): at most one is active, and each change is one transaction with its event.
// Records who works there; it starts nothing and chooses no model for the runtime (that is `/workspaces/:id/model`).

import { randomUUID } from 'node:crypto';
import type { Selectable, Transaction } from 'kysely';
import type { Events } from '../events/index.ts';
import type { Database, Tables } from '../platform/db/index.ts';
import { notFound, PlatformError } from '../platform/errors.ts';
import { applyTransition, defineLifecycle, type Transition } from '../platform/lifecycle.ts';
import { isAdmin, type Principal } from '../platform/principal.ts';
import * as store from './store.ts';

export type AgentRow = Selectable<Tables['agents']>;

const AGENT_STATUSES = ['active', 'replaced', 'removed'] as const;
type AgentStatus = (typeof AGENT_STATUSES)[number];
const edge = (transition: Transition<AgentStatus, AgentRow>): Transition<AgentStatus, AgentRow> => transition;

export const agentLifecycle = defineLifecycle<AgentRow>()({
  table: 'agents',
  idColumn: 'id',
  changedAtColumn: 'removed_at',
  statuses: AGENT_STATUSES,
  final: ['replaced', 'removed'],
  transitions: {
    replace: edge({
      from: ['active'],
      to: 'replaced',
      why: 'Another agent took the seat in the same transaction.',
      event: (row, { agentId, model }) => ({
        event: 'AGENT_REPLACED',
        workspace_id: row.workspace_id,
        payload: { agent_id: String(agentId), model: String(model), old_agent_id: row.id, old_model: row.model },
      }),
    }),
    remove: edge({
      from: ['active'],
      to: 'removed',
      why: 'The agent was taken out of its seat, which is empty now.',
      event: (row) => ({
        event: 'AGENT_REMOVED',
        workspace_id: row.workspace_id,
        payload: { agent_id: row.id, model: row.model },
      }),
    }),
  },
});

export interface Agents {
  /** @throws not_found, conflict when one is active */
  assign(workspaceId: string, model: string): Promise<AgentRow>;
  /** @throws not_found when the workspace is gone or nobody sits there */
  replace(workspaceId: string, model: string): Promise<{ agent: AgentRow; oldModel: string }>;
  /** @throws not_found when the workspace is gone or nobody sits there */
  remove(workspaceId: string): Promise<AgentRow>;
  /** @throws not_found also for targets the principal may not talk to, conflict when the target is occupied */
  move(workspaceId: string, targetId: string, principal: Principal): Promise<AgentRow>;
}

export interface AgentsDeps {
  db: Database;
  events: Events;
  canCommunicate(a: string, b: string): Promise<boolean>;
}

export function createAgents({ db, events, canCommunicate }: AgentsDeps): Agents {
  /** Locks the seats, so that changes of one follow each other. @throws not_found unless all of them live. */
  async function lockSeats(trx: Transaction<Tables>, ids: string[]): Promise<void> {
    if ((await store.lockLive(trx, ids)) < new Set(ids).size) throw notFound('workspace');
  }

  async function requireActive(trx: Transaction<Tables>, workspaceId: string): Promise<AgentRow> {
    const agent = await store.findActiveAgent(trx, workspaceId);
    if (!agent) throw notFound('active agent');
    return agent;
  }

  async function assertEmpty(trx: Transaction<Tables>, workspaceId: string): Promise<void> {
    const occupant = await store.findActiveAgent(trx, workspaceId);
    if (occupant)
      throw new PlatformError('conflict', 'an agent is active in that seat; replace or remove it', {
        agent_id: occupant.id,
      });
  }

  return {
    assign: (workspaceId, model) =>
      db.tx(async (trx) => {
        await lockSeats(trx, [workspaceId]);
        await assertEmpty(trx, workspaceId);
        const agent = await store.insertAgent(trx, { id: randomUUID(), workspace_id: workspaceId, model });
        await events.append(trx, {
          event: 'AGENT_ASSIGNED',
          workspace_id: workspaceId,
          payload: { agent_id: agent.id, model },
        });
        return agent;
      }),

    replace: (workspaceId, model) =>
      db.tx(async (trx) => {
        await lockSeats(trx, [workspaceId]);
        const old = await requireActive(trx, workspaceId);
        const id = randomUUID();
        await applyTransition(trx, events.append, agentLifecycle, 'replace', old.id, {
          patch: { removal_reason: 'replaced' },
          details: { agentId: id, model },
        });
        const agent = await store.insertAgent(trx, { id, workspace_id: workspaceId, model });
        return { agent, oldModel: old.model };
      }),

    remove: (workspaceId) =>
      db.tx(async (trx) => {
        await lockSeats(trx, [workspaceId]);
        const agent = await requireActive(trx, workspaceId);
        await applyTransition(trx, events.append, agentLifecycle, 'remove', agent.id, {
          patch: { removal_reason: 'removed' },
        });
        return agent;
      }),

    async move(workspaceId, targetId, principal) {
      if (!isAdmin(principal) && !(await canCommunicate(workspaceId, targetId))) throw notFound('workspace');
      return await db.tx(async (trx) => {
        await lockSeats(trx, [workspaceId, targetId]);
        const { id } = await requireActive(trx, workspaceId);
        await assertEmpty(trx, targetId);
        const agent = await store.moveAgent(trx, id, targetId);
        const payload = {
          agent_id: id,
          model: agent.model,
          from_workspace: workspaceId,
          to_workspace: targetId,
        };
        for (const end of [workspaceId, targetId])
          await events.append(trx, { event: 'AGENT_MOVED', workspace_id: end, payload });
        return agent;
      });
    },
  };
}
