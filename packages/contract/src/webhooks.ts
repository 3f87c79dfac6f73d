// The GitHub webhook: the wire shapes of chapter 20 §10.

import { z } from 'zod';
import { idParams, uuid } from './common.ts';
import { defineRoutes } from './route.ts';

const replies = {
  200: z.union([
    z.object({
      status: z.literal('accepted'),
      event: z.string(),
      action: z.string(),
      workspace_id: uuid,
      /** Of the A2A message; a repeated delivery is answered with the same. */
      message_id: z.string(),
    }),
    z.object({
      status: z.literal('triggered'),
      event: z.string(),
      action: z.string(),
      /** 0 also for a repeated delivery. */
      schedules_affected: z.number(),
    }),
  ]),
  202: z.object({ status: z.literal('ignored'), reason: z.string() }),
} as const;

export const webhookRoutes = defineRoutes({
  receiveGithubWebhook: {
    method: 'POST',
    path: '/webhooks/github',
    auth: 'PUB',
    summary: 'An event of GitHub, signed with the shared secret; its field `workspace_id` names who is told.',
    rawBody: true,
    replies,
    errors: ['not_found', 'invalid_signature', 'webhook_not_configured'],
  },
  receiveGithubWebhookFor: {
    method: 'POST',
    path: '/webhooks/github/:id',
    auth: 'PUB',
    summary: 'The same, for one workspace.',
    params: idParams,
    rawBody: true,
    replies,
    errors: ['not_found', 'invalid_signature', 'webhook_not_configured'],
  },
});
