// Images of runtimes: pins and refreshing (chapter 10 §2.5).

import { z } from 'zod';
import { time } from './common.ts';
import { defineRoutes } from './route.ts';

export const imageDigest = z.string().regex(/^sha256:[0-9a-f]{64}$/, 'must be sha256: and 64 hexadecimal digits');

/** A runtime, by the name of its template. */
const templateParams = z.object({ template: z.string().min(1).max(100) });

export const imagePin = z.object({
  template_name: z.string(),
  digest: z.string(),
  /** What a rollback goes back to. */
  previous_digest: z.string().nullable(),
  updated_by: z.string(),
  updated_at: time,
});
export type ImagePin = z.output<typeof imagePin>;

export const imageRoutes = defineRoutes({
  refreshImages: {
    method: 'POST',
    path: '/admin/workspace-images/refresh',
    auth: 'ADMIN',
    summary: 'Pulls the newest images, of one runtime or of all, and ends what runs an older one; it is started anew.',
    query: z.object({
      runtime: z.string().max(100).optional(),
      recreate: z.enum(['true', 'false']).default('true'),
    }),
    replies: {
      200: z.object({
        /** Runtimes. */
        pulled: z.array(z.string()),
        failed: z.array(z.string()),
        /** Ids of workspaces. */
        recreated: z.array(z.string()),
      }),
    },
    errors: ['unknown_runtime', 'no_images', 'refresh_incomplete'],
  },
  listImagePins: {
    method: 'GET',
    path: '/admin/runtime-image-pins',
    auth: 'ADMIN',
    summary: 'Which runtimes start from a fixed image.',
    replies: { 200: z.array(imagePin) },
  },
  putImagePin: {
    method: 'PUT',
    path: '/admin/runtime-image-pins/:template',
    auth: 'ADMIN',
    summary: 'Fixes the image of a runtime, from the next start of each workspace on.',
    params: templateParams,
    body: z.object({ digest: imageDigest }),
    replies: { 200: imagePin },
    errors: ['unknown_runtime'],
  },
  rollbackImagePin: {
    method: 'POST',
    path: '/admin/runtime-image-pins/:template/rollback',
    auth: 'ADMIN',
    summary: 'Swaps the fixed image with the one before it.',
    params: templateParams,
    replies: { 200: imagePin },
    errors: ['not_found', 'conflict'],
  },
  deleteImagePin: {
    method: 'DELETE',
    path: '/admin/runtime-image-pins/:template',
    auth: 'ADMIN',
    summary: 'Lets a runtime follow its newest image again.',
    params: templateParams,
    replies: { 200: z.object({ status: z.literal('unpinned') }) },
    errors: ['not_found'],
  },
});
