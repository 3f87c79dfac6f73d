// HTTP of delegation: agents hand tasks out and report on them, administrators read the ledger (chapter 20 §4.1).

import { delegationRoutes } from '@molecule/contract';
import type { FastifyInstance } from 'fastify';
import { type Authorize, answer, mount } from '../platform/http.ts';
import type { DelegationService } from './service.ts';
import { toAdmin, toListed } from './view.ts';

export function mountDelegationRoutes(app: FastifyInstance, authorize: Authorize, service: DelegationService): void {
  mount(
    app,
    delegationRoutes,
    {
      delegate: async ({ params, body }) => {
        const { row, isNew, warning } = await service.delegate(params.id, body);
        const { delegation_id, status, callee_id: target_id } = row;
        if (!isNew) return answer(200, { delegation_id, status, target_id, idempotent_hit: true as const });
        const accepted = { delegation_id, status: 'delegated' as const, target_id };
        return answer(202, warning === null ? accepted : { ...accepted, warning });
      },
      listDelegations: async ({ params }) => (await service.listOwn(params.id)).map(toListed),
      recordDelegation: async ({ params, body }) => {
        await service.record(params.id, body);
        return { delegation_id: body.delegation_id, status: 'recorded' as const };
      },
      updateDelegation: async ({ params, body }) => {
        await service.update(params.id, params.delegationId, body);
        return { status: body.status, delegation_id: params.delegationId };
      },
      heartbeatDelegation: async ({ params }) => {
        await service.heartbeat(params.id, params.delegationId);
        return { status: 'ok' as const };
      },
      listAllDelegations: async ({ query }) => {
        const delegations = (await service.listByState(query.status, query.limit, query.delegation_id)).map(toAdmin);
        return { status: query.status, limit: query.limit, count: delegations.length, delegations };
      },
      getDelegationStats: async () => ({
        queued: 0,
        dispatched: 0,
        in_progress: 0,
        completed: 0,
        failed: 0,
        stuck: 0,
        ...(await service.count()),
      }),
    },
    authorize,
  );
}
