// HTTP of explanations (chapter 20 §12.4).

import { whyRoutes } from '@molecule/contract';
import type { FastifyInstance } from 'fastify';
import { invalid } from '../platform/errors.ts';
import { type Authorize, mount } from '../platform/http.ts';
import type { Principal } from '../platform/principal.ts';
import { redactFor } from './redact.ts';
import type { WhyService } from './service.ts';

const shownTo = (principal: Principal, reply: Awaited<ReturnType<WhyService['explainWorkspace']>>) =>
  principal.kind === 'workspace' ? redactFor(principal.workspaceId, reply) : reply;

export function mountWhyRoutes(app: FastifyInstance, authorize: Authorize, service: WhyService): void {
  mount(
    app,
    whyRoutes,
    {
      explainWorkspace: async ({ params, query, principal }) => {
        if (query.queue_id !== undefined && query.message_id !== undefined)
          throw invalid('message_id', 'give it or queue_id, not both');
        return shownTo(principal, await service.explainWorkspace(params.id, query));
      },
      explainDelegation: async ({ params, principal }) =>
        shownTo(principal, await service.explainDelegation(params.id, params.delegationId)),
    },
    authorize,
  );
}
