// Chat files: the wire shapes of chapter 20 §7 that exist (push mode).

import { z } from 'zod';
import { idParams } from './common.ts';
import { defineRoutes } from './route.ts';

export const fileRoutes = defineRoutes({
  downloadChatFile: {
    method: 'GET',
    path: '/workspaces/:id/chat/download',
    auth: 'SELF',
    summary: 'Streams a file an agent attached.',
    params: idParams,
    query: z.object({ path: z.string().max(4096) }),
    transport: 'bytes',
    replies: { 200: z.unknown() },
    errors: [
      'invalid_request',
      'not_found',
      'agent_no_url',
      'agent_not_reachable',
      'inbound_secret_missing',
      'agent_unreachable',
      'agent_url_refused',
    ],
  },
});
