// Webhooks of other systems (chapter 20 §10): genuine by their signature, acted upon once, stored before they are acknowledged.
// Those of chats are the channels' business.

import { webhookRoutes } from '@molecule/contract';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type Authorize, answer, mount } from '../platform/http.ts';
import type { Loop } from '../platform/loops.ts';
import { createGithubWebhook, type GithubDeps } from './github.ts';
import * as store from './store.ts';

/** GitHub offers a delivery for repetition for some days. */
const REMEMBERED_DAYS = 30;
const BATCH = 1_000;

export interface Webhooks {
  loops: Loop[];
  mount(app: FastifyInstance, authorize: Authorize): void;
}

export function createWebhooks(deps: GithubDeps): Webhooks {
  const github = createGithubWebhook(deps);

  async function receive(request: FastifyRequest, body: Buffer | null, workspaceId: string | null) {
    const reply = await github.receive({ headers: request.headers, body: body ?? Buffer.alloc(0), workspaceId });
    return answer(reply.status === 'ignored' ? 202 : 200, reply);
  }

  return {
    loops: [
      {
        name: 'webhook-cleanup',
        why: 'Deliveries of webhooks would be remembered for ever.',
        everyMs: 3_600_000,
        timeoutMs: 30_000,
        runs: 'one-replica',
        run: async () => ({ deleted: await store.deleteOld(deps.db.kysely, REMEMBERED_DAYS, BATCH) }),
      },
    ],
    mount(app, authorize) {
      // In a scope of its own: everywhere else a form is refused.
      app.register(async (scope) => {
        scope.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'buffer' }, (_request, body, done) =>
          done(null, body),
        );
        mount(
          scope,
          webhookRoutes,
          {
            receiveGithubWebhook: ({ request, body }) => receive(request, body, null),
            receiveGithubWebhookFor: ({ request, body, params }) => receive(request, body, params.id),
          },
          authorize,
        );
      });
    },
  };
}
