// HTTP of the registry: parse → service → reply. Class REG is judged by the service, after the body is known.

import { registryRoutes } from '@molecule/contract';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Auth } from '../auth/index.ts';
import { PlatformError } from '../platform/errors.ts';
import { type Authorize, mount } from '../platform/http.ts';
import { isAdmin, type Principal } from '../platform/principal.ts';
import type { RegistryService } from './service.ts';

/** A workspace is itself; an operator may name one in the header. */
export function callerOf(principal: Principal, request: FastifyRequest): string | null {
  if (principal.kind === 'workspace') return principal.workspaceId;
  const named = request.headers['x-workspace-id'];
  return isAdmin(principal) && typeof named === 'string' && named !== '' ? named : null;
}

export function mountRegistryRoutes(
  app: FastifyInstance,
  authorize: Authorize,
  deps: { service: RegistryService; auth: Auth; canCommunicate(a: string, b: string): Promise<boolean> },
): void {
  const { service, auth, canCommunicate } = deps;
  mount(
    app,
    registryRoutes,
    {
      register: async ({ body, principal, request }) => await service.register(body, auth.bearerOf(request), principal),
      heartbeat: async ({ body, principal }) => await service.heartbeat(body, principal),
      updateCard: async ({ body, principal, request }) => {
        await service.updateCard(body.workspace_id, body.agent_card, auth.bearerOf(request), principal);
        return { status: 'updated' as const };
      },
      discover: async ({ params, principal, request }) =>
        await service.discover(params.id, callerOf(principal, request), isAdmin(principal)),
      listPeers: async ({ params, query }) => await service.listPeers(params.id, query.q),
      checkAccess: async ({ body, principal }) => {
        if (principal.kind === 'workspace' && principal.workspaceId !== body.caller_id)
          throw new PlatformError('access_denied', 'caller_id must be the authenticated workspace', {
            field: 'caller_id',
          });
        return { allowed: await canCommunicate(body.caller_id, body.target_id) };
      },
    },
    authorize,
  );
}
