// HTTP of schedules: their workspace keeps them, peers see how they fare, administrators see all (chapter 20 §8).

import { scheduleRoutes } from '@molecule/contract';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type Authorize, answer, mount } from '../platform/http.ts';
import type { Principal } from '../platform/principal.ts';
import type { Firing } from './firing.ts';
import type { ScheduleService } from './service.ts';
import type { RunRow, ScheduleRow } from './store.ts';

/** A person or operator is nobody in the tree, unless it names a workspace to ask as (chapter 20 §1.2). */
function callerOf(principal: Principal, request: FastifyRequest): string | null {
  if (principal.kind === 'workspace') return principal.workspaceId;
  const named = request.headers['x-workspace-id'];
  return typeof named === 'string' && named !== '' ? named : null;
}

const toHealth = (row: ScheduleRow) => ({
  id: row.id,
  workspace_id: row.workspace_id,
  name: row.name,
  timezone: row.timezone,
  enabled: row.enabled,
  last_run_at: row.last_run_at?.toISOString() ?? null,
  next_run_at: row.next_run_at?.toISOString() ?? null,
  run_count: row.run_count,
  last_status: row.last_status as 'ok' | null,
  last_error: row.last_error,
  source: row.source as 'runtime',
  created_at: row.created_at,
  updated_at: row.updated_at,
});

const toListed = (row: ScheduleRow) => ({ ...toHealth(row), cron_expr: row.cron_expr, prompt: row.prompt });

const toRun = (row: RunRow) => ({
  timestamp: row.created_at,
  duration_ms: row.duration_ms,
  status: row.status,
  error_detail: row.error_detail,
  request: row.request_body,
  ...(row.injected_at ? { injected_at: row.injected_at } : {}),
  ...(row.answered_at ? { answered_at: row.answered_at } : {}),
});

export function mountScheduleRoutes(
  app: FastifyInstance,
  authorize: Authorize,
  { service, firing }: { service: ScheduleService; firing: Firing },
): void {
  mount(
    app,
    scheduleRoutes,
    {
      listSchedules: async ({ params }) => (await service.list(params.id)).map(toListed),
      createSchedule: async ({ params, body }) => {
        const { id, next } = await service.create(params.id, body);
        return answer(201, { id, status: 'created' as const, next_run_at: next.toISOString() });
      },
      patchSchedule: async ({ params, body }) => {
        const next = await service.patch(params.id, params.scheduleId, body);
        return { id: params.scheduleId, status: 'updated' as const, next_run_at: next?.toISOString() ?? null };
      },
      deleteSchedule: async ({ params }) => {
        await service.remove(params.id, params.scheduleId);
        return { status: 'deleted' as const };
      },
      runSchedule: async ({ params }) => {
        await service.assertLive(params.id);
        const { prompt } = await firing.fireNow(params.id, params.scheduleId);
        return { status: 'fired' as const, workspace_id: params.id, prompt };
      },
      listScheduleRuns: async ({ params }) => (await service.listRuns(params.id, params.scheduleId)).map(toRun),
      getScheduleHealth: async ({ params, principal, request }) =>
        (await service.listFor(callerOf(principal, request), params.id)).map(toHealth),
      listScheduleHealth: async () =>
        (await service.listHealth()).map(({ row, name, status, seconds }) => ({
          workspace_id: row.workspace_id,
          workspace_name: name,
          schedule_id: row.id,
          schedule_name: row.name,
          cron_expr: row.cron_expr,
          last_run_at: row.last_run_at?.toISOString() ?? null,
          expected_next_run: row.next_run_at?.toISOString() ?? null,
          status,
          stale_threshold_seconds: seconds,
        })),
    },
    authorize,
  );
}
