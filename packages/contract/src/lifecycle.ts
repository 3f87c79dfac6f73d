// Putting workspaces away and taking them back: pause, resume, hibernate, collapse (chapter 10 §2.1).
// What a status means, and creating, restarting and deleting, stand in workspaces.ts.

import { z } from 'zod';
import { flag, idParams } from './common.ts';
import { defineRoutes } from './route.ts';

export const lifecycleRoutes = defineRoutes({
  pauseWorkspace: {
    method: 'POST',
    path: '/workspaces/:id/pause',
    auth: 'SELF',
    summary: 'Pauses a workspace and everything under it, and stops their workloads; nothing wakes them but a resume.',
    params: idParams,
    replies: {
      200: z.object({
        status: z.literal('paused'),
        paused_count: z.number(),
        /** Workloads that may still run; the platform tries again until they do not. */
        stop_failures: z.number().optional(),
      }),
    },
    errors: ['not_found'],
  },
  resumeWorkspace: {
    method: 'POST',
    path: '/workspaces/:id/resume',
    auth: 'SELF',
    summary:
      'Starts a paused workspace and every paused one under it, parents first; external ones wait for their owner.',
    params: idParams,
    replies: { 200: z.object({ status: z.literal('provisioning'), resumed_count: z.number() }) },
    errors: ['not_found', 'conflict', 'no_backend'],
  },
  hibernateWorkspace: {
    method: 'POST',
    path: '/workspaces/:id/hibernate',
    auth: 'SELF',
    summary:
      'Stops the workload of an idle workspace until the next message for it; `force` does not wait for its tasks.',
    params: idParams,
    query: z.object({ force: flag }),
    replies: { 200: z.object({ status: z.literal('hibernated') }) },
    errors: ['not_found', 'tasks_running', 'conflict', 'stop_failed', 'no_backend', 'invalid_request'],
  },
  collapseWorkspace: {
    method: 'POST',
    path: '/workspaces/:id/collapse',
    auth: 'SELF',
    summary: 'Removes everything under a workspace, at all depths, and keeps the workspace.',
    params: idParams,
    replies: { 200: z.object({ status: z.literal('collapsed'), removed: z.array(z.string()) }) },
    errors: ['not_found', 'stop_failures'],
  },
});
