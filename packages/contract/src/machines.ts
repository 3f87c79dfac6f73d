// Machines of a remote backend: what they printed, and what watches them boot (chapter 10 §2.1).

import { z } from 'zod';
import { idParams } from './common.ts';
import { defineRoutes } from './route.ts';

/** The error may be blank; of the log only its last 8192 bytes are kept. */
export const bootstrapFailedBody = z.object({
  error: z.string().nullish(),
  log_tail: z.string().nullish(),
});

export const machineRoutes = defineRoutes({
  getConsole: {
    method: 'GET',
    path: '/workspaces/:id/console',
    auth: 'ADMIN',
    summary: 'What the machine of a workspace printed while booting.',
    params: idParams,
    replies: { 200: z.object({ output: z.string() }) },
    errors: ['not_found', 'no_console', 'console_failed'],
  },
  bootstrapFailed: {
    method: 'POST',
    path: '/admin/workspaces/:id/bootstrap-failed',
    auth: 'ADMIN',
    summary: 'Whoever watches a machine boot says that it did not; counts only while the workspace is starting.',
    params: idParams,
    body: bootstrapFailedBody,
    replies: { 200: z.object({ ok: z.literal(true), no_change: z.literal(true).optional() }) },
    errors: ['not_found'],
  },
});
