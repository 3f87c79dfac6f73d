// Chat files: the wire shapes of chapter 20 §7 that exist (push mode).

import { z } from 'zod';
import { idParams } from './common.ts';
import { defineRoutes } from './route.ts';

export const UPLOAD_LIMIT = 52_428_800;

const agentErrors = [
  'not_found',
  'agent_no_url',
  'agent_not_reachable',
  'inbound_secret_missing',
  'agent_unreachable',
  'agent_url_refused',
] as const;

export const uploadedFile = z.object({ uri: z.string(), name: z.string(), mimeType: z.string(), size: z.number() });

export const fileRoutes = defineRoutes({
  uploadChatFiles: {
    method: 'POST',
    path: '/workspaces/:id/chat/uploads',
    auth: 'SELF',
    summary: 'Streams files (multipart, field `files`, 25 MB each) to the agent of a workspace.',
    params: idParams,
    rawBody: true,
    bodyLimit: UPLOAD_LIMIT,
    transport: 'bytes',
    replies: { 200: z.object({ files: z.array(uploadedFile) }) },
    errors: ['unsupported_media_type', 'body_too_large', ...agentErrors],
  },
  downloadChatFile: {
    method: 'GET',
    path: '/workspaces/:id/chat/download',
    auth: 'SELF',
    summary: 'Streams a file an agent attached.',
    params: idParams,
    query: z.object({ path: z.string().max(4096) }),
    transport: 'bytes',
    replies: { 200: z.unknown() },
    errors: ['invalid_request', ...agentErrors],
  },
});
