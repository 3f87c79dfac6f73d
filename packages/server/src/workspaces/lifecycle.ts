// The status table of a workspace (chapter 10 §1.3), row by row; the only place where `workspaces.status` may change.
// Late beats never lift failed, paused, hibernating, hibernated or removed: no such edge exists.

import { WORKSPACE_STATUSES, type WorkspaceStatus } from '@molecule/contract';
import type { Selectable } from 'kysely';
import type { Tables } from '../platform/db/index.ts';
import { defineLifecycle, type Transition } from '../platform/lifecycle.ts';

export type WorkspaceRow = Selectable<Tables['workspaces']>;

const RUNNING = ['online', 'degraded'] as const;
const LIVE = WORKSPACE_STATUSES.filter((status) => status !== 'removed');

/** Keeps the literal statuses of an edge. */
function edge(transition: Transition<WorkspaceStatus, WorkspaceRow>): Transition<WorkspaceStatus, WorkspaceRow> {
  return transition;
}

export const workspaceLifecycle = defineLifecycle<WorkspaceRow>()({
  table: 'workspaces',
  idColumn: 'id',
  changedAtColumn: 'status_changed_at',
  enumType: 'workspace_status',
  statuses: WORKSPACE_STATUSES,
  final: ['removed'],
  transitions: {
    create_external_awaiting: edge({
      from: ['provisioning'],
      to: 'awaiting_agent',
      why: 'An external agent without an address has to come to us first.',
      event: (row) => ({
        event: 'WORKSPACE_AWAITING_AGENT',
        workspace_id: row.id,
        payload: { name: row.name, external: true },
      }),
    }),
    create_external_online: edge({
      from: ['provisioning'],
      to: 'online',
      why: 'An external agent with a safe address can be called at once.',
      event: (row) => ({
        event: 'WORKSPACE_ONLINE',
        workspace_id: row.id,
        payload: { name: row.name, external: true, url: row.url },
      }),
    }),
    register: edge({
      from: ['provisioning', 'awaiting_agent', 'offline', 'degraded', 'failed', 'online'],
      to: 'online',
      why: 'The agent registered. Paused and sleeping seats are not woken by their agent.',
      event: (row) => ({
        event: 'WORKSPACE_ONLINE',
        workspace_id: row.id,
        payload: { url: row.url, agent_card: row.agent_card, delivery_mode: row.delivery_mode },
      }),
    }),
    beat_after_provisioning: edge({
      from: ['provisioning', 'awaiting_agent'],
      to: 'online',
      why: 'A beat proves that the agent came up.',
      event: (row, { recoveredFrom }) => ({
        event: 'WORKSPACE_ONLINE',
        workspace_id: row.id,
        payload: { recovered_from: String(recoveredFrom), url: row.url, agent_card: row.agent_card },
      }),
    }),
    beat_after_offline: edge({
      from: ['offline'],
      to: 'online',
      why: 'A beat proves that the agent is back.',
      event: (row) => ({ event: 'WORKSPACE_ONLINE', workspace_id: row.id, payload: {} }),
    }),
    wedge: edge({
      from: ['online'],
      to: 'degraded',
      why: 'The runtime says that every later turn will fail until it is restarted.',
      event: (row, { runtimeState }) => ({
        event: 'WORKSPACE_DEGRADED',
        workspace_id: row.id,
        payload: {
          runtime_state: String(runtimeState),
          sample_error: row.last_sample_error,
          error_rate: row.last_error_rate,
        },
      }),
    }),
    error_rate: edge({
      from: ['online'],
      to: 'degraded',
      why: 'Half or more of the turns fail.',
      event: (row) => ({
        event: 'WORKSPACE_DEGRADED',
        workspace_id: row.id,
        payload: { error_rate: row.last_error_rate, sample_error: row.last_sample_error },
      }),
    }),
    recover: edge({
      from: ['degraded'],
      to: 'online',
      why: 'Fewer than a tenth of the turns fail and the runtime is not wedged.',
      event: (row) => ({ event: 'WORKSPACE_ONLINE', workspace_id: row.id, payload: {} }),
    }),
    go_offline: edge({
      from: RUNNING,
      to: 'offline',
      why: 'Beats stopped, the backend says the workload is gone, or a call found it dead; a restart follows.',
      event: (row, { reason, exit_code, signal }) => ({
        event: 'WORKSPACE_OFFLINE',
        workspace_id: row.id,
        payload: {
          ...(typeof reason === 'string' ? { reason } : {}),
          ...(typeof exit_code === 'number' ? { exit_code } : {}),
          ...(typeof signal === 'string' ? { signal } : {}),
        },
      }),
    }),
    await_agent: edge({
      from: RUNNING,
      to: 'awaiting_agent',
      why: 'Beats of an external agent stopped; only its owner can bring it back.',
      event: (row, { reason }) => ({
        event: 'WORKSPACE_AWAITING_AGENT',
        workspace_id: row.id,
        payload: { reason: String(reason ?? 'no heartbeat') },
      }),
    }),
    provision_failed: edge({
      from: ['provisioning'],
      to: 'failed',
      why: 'The workload could not be started; the reason is stored with it.',
      event: (row, extra) => ({
        event: 'WORKSPACE_PROVISION_FAILED',
        workspace_id: row.id,
        payload: { name: row.name, error: row.last_sample_error ?? 'provisioning failed', ...extra },
      }),
    }),
    restart: edge({
      from: ['online', 'degraded', 'offline', 'failed', 'provisioning', 'hibernated'],
      to: 'provisioning',
      why: 'A restart, an automatic restart, or a message for a sleeping seat.',
      event: (row) => provisioningEvent(row),
    }),
    hibernate: edge({
      from: RUNNING,
      to: 'hibernating',
      why: 'The seat has been idle for its limit, or a person sent it to sleep.',
    }),
    hibernated: edge({
      from: ['hibernating'],
      to: 'hibernated',
      why: 'The workload stopped.',
      event: (row) => ({
        event: 'WORKSPACE_HIBERNATED',
        workspace_id: row.id,
        payload: { name: row.name, tier: row.tier },
      }),
    }),
    hibernate_undone: edge({
      from: ['hibernating'],
      to: 'online',
      why: 'The workload could not be stopped, so it still runs.',
    }),
    hibernate_undone_degraded: edge({
      from: ['hibernating'],
      to: 'degraded',
      why: 'The same for a seat that was degraded before.',
    }),
    pause: edge({
      from: LIVE.filter((status) => status !== 'paused'),
      to: 'paused',
      why: 'A person paused the seat.',
      event: (row) => ({ event: 'WORKSPACE_PAUSED', workspace_id: row.id, payload: { name: row.name } }),
    }),
    resume: edge({
      from: ['paused'],
      to: 'provisioning',
      why: 'A person resumed the seat.',
      event: (row) => provisioningEvent(row),
    }),
    resume_external: edge({
      from: ['paused'],
      to: 'awaiting_agent',
      why: 'A resumed external seat waits for its owner.',
      event: (row) => ({ event: 'WORKSPACE_AWAITING_AGENT', workspace_id: row.id, payload: { reason: 'resumed' } }),
    }),
    remove: edge({
      from: LIVE,
      to: 'removed',
      why: 'A person deleted the seat or its parent.',
      event: (row, { cascadeDeleted }) => ({
        event: 'WORKSPACE_REMOVED',
        workspace_id: row.id,
        payload: typeof cascadeDeleted === 'number' ? { cascade_deleted: cascadeDeleted } : {},
      }),
    }),
  },
});

/** Columns of a seat that was put away: nothing of it runs. */
export const AT_REST = { url: null, url_source: null, current_task: '', active_tasks: 0 };

export type WorkspaceTransition = keyof typeof workspaceLifecycle.transitions;

/** x and y are relative to the parent. */
export function provisioningEvent(row: WorkspaceRow, slot?: { x: number; y: number }) {
  return {
    event: 'WORKSPACE_PROVISIONING' as const,
    workspace_id: row.id,
    payload: {
      name: row.name,
      role: row.role,
      tier: row.tier,
      runtime: row.runtime,
      ...(row.parent_id ? { parent_id: row.parent_id } : {}),
      ...(slot ?? {}),
    },
  };
}
