// HTTP of the workspaces domain: parse → service → reply.

import { canvasRoutes, lifecycleRoutes, workspaceRoutes } from '@molecule/contract';
import type { FastifyInstance } from 'fastify';
import { PlatformError } from '../platform/errors.ts';
import { type Authorize, answer, mount } from '../platform/http.ts';
import { buildConnection } from './connection.ts';
import type { WorkspaceRow } from './lifecycle.ts';
import type { Removal } from './removal.ts';
import type { WorkspacePorts, WorkspaceService } from './service.ts';
import type { Sleep } from './sleep.ts';
import type { Suspension } from './suspension.ts';
import { toView } from './view.ts';

export interface WorkspaceRouteDeps {
  service: WorkspaceService;
  removal: Removal;
  suspension: Suspension;
  sleep: Sleep;
  ports: WorkspacePorts;
  /** The platform's address as people outside see it. */
  publicUrl(request: { protocol: string; host: string }): string;
}

function toBudget(row: WorkspaceRow) {
  return {
    budget_limit: row.budget_limit,
    monthly_spend: row.monthly_spend,
    budget_remaining: row.budget_limit === null ? null : row.budget_limit - row.monthly_spend,
  };
}

export function mountWorkspaceRoutes(app: FastifyInstance, authorize: Authorize, deps: WorkspaceRouteDeps): void {
  const { service, removal, suspension, sleep, ports } = deps;
  const withTimeout = <Row extends { runtime: string }>(row: Row) => {
    const timeout = ports.provisionTimeoutMs(row.runtime);
    return timeout === undefined ? row : { ...row, provision_timeout_ms: timeout };
  };

  mount(
    app,
    workspaceRoutes,
    {
      listWorkspaces: async () => (await service.list()).map((row) => withTimeout(toView(row))),
      createWorkspace: async ({ body, request }) => {
        const { row, token } = await service.create(body);
        const reply = {
          id: row.id,
          status: row.status,
          awareness_namespace: `workspace:${row.id}`,
          workspace_access: row.workspace_access,
        };
        if (token === null) return reply;
        return {
          ...reply,
          external: true,
          connection: buildConnection({
            workspaceId: row.id,
            name: row.name,
            platformUrl: deps.publicUrl(request),
            token,
          }),
        };
      },
      getWorkspace: async ({ params, principal }) =>
        withTimeout(toView(await service.getVisible(params.id, principal))),
      patchWorkspace: async ({ params, body, principal }) => {
        const { needsRestart } = await service.patch(params.id, body, principal);
        return needsRestart
          ? { status: 'updated' as const, needs_restart: true as const }
          : { status: 'updated' as const };
      },
      deleteWorkspace: async ({ params, query }) => await removal.remove(params.id, query),
      getWorkspaceState: async ({ params }) => {
        const row = await service.readState(params.id);
        if (!row)
          throw new PlatformError('not_found', 'workspace not found', { workspace_id: params.id, deleted: true });
        if (row.status === 'removed')
          throw new PlatformError('not_found', 'the workspace was removed', {
            workspace_id: row.id,
            deleted: true,
            status: 'removed',
          });
        return { workspace_id: row.id, status: row.status, paused: row.status === 'paused', deleted: false as const };
      },
      restartWorkspace: async ({ params, query, body }) => {
        const reset = query.reset || body?.reset === true;
        const { configDir } = await service.restart(params.id, { ...body, reset });
        return { status: 'provisioning' as const, config_dir: configDir, reset_session: reset };
      },
      getWorkspaceLogs: async ({ params, query }) => {
        await service.getLive(params.id);
        const log = await ports.readLog(params.id, query.lines);
        if (!log) throw new PlatformError('no_backend', 'this backend keeps no log of the workload');
        return log;
      },
      getBudget: async ({ params }) => toBudget(await service.getLive(params.id)),
      patchBudget: async ({ params, body }) => toBudget(await service.setBudget(params.id, body.budget_limit)),
      getModel: async ({ params }) => {
        const row = await service.getLive(params.id);
        return await ports.readModel(row.id, row.runtime);
      },
      putModel: async ({ params, body }) => {
        await service.getLive(params.id);
        await ports.saveModel(params.id, body.model);
        return body.model === '' ? { status: 'cleared' as const } : { status: 'saved' as const, model: body.model };
      },
    },
    authorize,
  );

  mount(
    app,
    lifecycleRoutes,
    {
      pauseWorkspace: async ({ params }) => {
        const { pausedCount, stopFailures } = await suspension.pause(params.id);
        return {
          status: 'paused' as const,
          paused_count: pausedCount,
          ...(stopFailures > 0 ? { stop_failures: stopFailures } : {}),
        };
      },
      resumeWorkspace: async ({ params }) => {
        const { resumedCount } = await suspension.resume(params.id);
        return { status: 'provisioning' as const, resumed_count: resumedCount };
      },
      hibernateWorkspace: async ({ params, query }) => {
        await sleep.hibernate(params.id, query);
        return { status: 'hibernated' as const };
      },
      collapseWorkspace: async ({ params }) => await removal.collapse(params.id),
    },
    authorize,
  );

  mount(
    app,
    canvasRoutes,
    {
      getViewport: async () => await service.viewport(),
      putViewport: async ({ body }) => {
        await service.saveViewport(body);
        return answer(200, { status: 'saved' as const });
      },
    },
    authorize,
  );
}
