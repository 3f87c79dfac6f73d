// Plugins: the wire shapes of an organisation's allowlist (chapter 30 §5.6). Nothing installs plugins yet.

import { z } from 'zod';
import { idParams, time, uuid } from './common.ts';
import { defineRoutes } from './route.ts';

/** Names one list may hold. */
export const MAX_ALLOWED_PLUGINS = 1_000;

/** The name a source gives a plugin: of a folder of the registry, or of a repository. */
export const pluginName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/, 'must be letters, digits, dots, dashes and underscores, at most 128')
  .refine((name) => !name.includes('..'), 'must not hold two dots in a row');

export const pluginAllowlist = z.object({
  org_id: uuid,
  plugins: z.array(z.object({ plugin_name: z.string(), enabled_by: z.string(), enabled_at: time })),
  /** True while the list is empty. */
  allow_all: z.boolean(),
});

export const pluginRoutes = defineRoutes({
  getPluginAllowlist: {
    method: 'GET',
    path: '/orgs/:id/plugins/allowlist',
    auth: 'ADMIN',
    summary: 'The plugins an organisation allows, by name; an empty list allows all.',
    params: idParams,
    replies: { 200: pluginAllowlist },
    errors: ['foreign_org', 'not_found'],
  },
  putPluginAllowlist: {
    method: 'PUT',
    path: '/orgs/:id/plugins/allowlist',
    auth: 'ADMIN',
    summary: 'Replaces the whole list at once; an empty one allows every plugin.',
    params: idParams,
    body: z.object({
      plugins: z.array(pluginName).max(MAX_ALLOWED_PLUGINS),
      /** Who says so, as the caller names them. */
      enabled_by: z.string().trim().min(1).max(255),
    }),
    replies: { 200: pluginAllowlist },
    errors: ['foreign_org', 'not_found'],
  },
});
