// HTTP of what a seat holds: its connection, configuration, agent and figures. Parse → service → reply.

import { seatRoutes } from '@molecule/contract';
import type { FastifyInstance } from 'fastify';
import { type Authorize, mount } from '../platform/http.ts';
import type { Agents } from './agents.ts';
import type { ConfigStore } from './config-data.ts';
import { buildConnection } from './connection.ts';
import type { Credentials } from './credentials.ts';
import type { WorkspaceRow } from './lifecycle.ts';
import type { WorkspaceService } from './service.ts';

export interface SeatRouteDeps {
  service: WorkspaceService;
  agents: Agents;
  config: ConfigStore;
  credentials: Credentials;
  /** The platform's address as people outside see it. */
  publicUrl(request: { protocol: string; host: string }): string;
}

export function mountSeatRoutes(
  app: FastifyInstance,
  authorize: Authorize,
  { service, agents, config, credentials, publicUrl }: SeatRouteDeps,
): void {
  const connect = ({ id, name }: WorkspaceRow, token: string, request: { protocol: string; host: string }) => ({
    connection: buildConnection({ workspaceId: id, name, platformUrl: publicUrl(request), token }),
  });

  mount(
    app,
    seatRoutes,
    {
      rotateCredentials: async ({ params, request }) => {
        const { row, token } = await credentials.rotate(params.id);
        return connect(row, token, request);
      },
      getConnection: async ({ params, request }) => connect(await credentials.requireExternal(params.id), '', request),
      getConfig: async ({ params }) => {
        await service.getLive(params.id);
        return { data: await config.read(params.id) };
      },
      patchConfig: async ({ params, body }) => ({ data: await config.merge(params.id, body) }),
      assignAgent: async ({ params, body }) => {
        const { id, model } = await agents.assign(params.id, body.model);
        return { agent_id: id, model };
      },
      replaceAgent: async ({ params, body }) => {
        const { agent, oldModel } = await agents.replace(params.id, body.model);
        return { agent_id: agent.id, model: agent.model, old_model: oldModel };
      },
      removeAgent: async ({ params }) => {
        const { id } = await agents.remove(params.id);
        return { status: 'removed' as const, agent_id: id };
      },
      moveAgent: async ({ params, body, principal }) => {
        const { id, model } = await agents.move(params.id, body.target_workspace_id, principal);
        return { agent_id: id, model, from_workspace: params.id, to_workspace: body.target_workspace_id };
      },
      getTokenUsage: async ({ params }) => {
        await service.getLive(params.id);
        return await service.readDayUsage(params.id);
      },
    },
    authorize,
  );
}
