// Bundles: one workspace with all below it as a document that can be imported elsewhere (chapter 30 §4). Never with a secret.

import { z } from 'zod';
import { idParams, jsonObject, uuid } from './common.ts';
import { defineRoutes } from './route.ts';
import { workspaceName, workspaceRole } from './workspaces.ts';

/** Of the whole document, in bytes, and of the tree in it. */
export const BUNDLE_LIMIT = 16 * 1024 * 1024;
export const MOST_BUNDLE_NODES = 200;
export const MOST_BUNDLE_LEVELS = 16;

const textByPath = z.record(z.string(), z.string());

/**
 * What is nested in a document of its own kind. Its schema ends here, so that no parser recurses as deep as a sender likes;
 * the server judges the levels below one by one.
 */
const nested = <Output, Input>() => z.array(jsonObject) as unknown as z.ZodType<Output[], Input[]>;

const bundleFields = z.object({
  schema: z.literal('1.0').default('1.0'),
  /** Of the workspace it was made from; kept as `source_bundle_id`. */
  id: z.string().max(255).nullish(),
  name: workspaceName,
  /** The role. */
  description: workspaceRole.nullish(),
  tier: z.number().int().min(1).max(4).nullish(),
  model: z.string().max(100).nullish(),
  system_prompt: z.string().nullish(),
  /** Folders below `skills/`, their files by relative path. */
  skills: z
    .array(
      z.object({
        id: z.string(),
        name: z.string().default(''),
        description: z.string().default(''),
        files: textByPath,
      }),
    )
    .default([]),
  /** For readers: the configuration in `prompts` says the same, and counts. */
  tools: z.array(z.object({ id: z.string(), config: jsonObject.default({}) })).default([]),
  /** By path below `/configs`; `config.yaml` names the runtime. */
  prompts: textByPath.default({}),
  agent_card: jsonObject.nullish(),
  author: z.string().max(1000).nullish(),
  version: z.string().max(100).nullish(),
});

export type Bundle = z.output<typeof bundleFields> & { sub_workspaces: Bundle[] };
/** As somebody may write it: what has a default can be left out. */
export type BundleInput = z.input<typeof bundleFields> & { sub_workspaces?: BundleInput[] | undefined };
export const bundle = bundleFields.extend({ sub_workspaces: nested<Bundle, BundleInput>().default([]) });

const importedFields = z.object({
  /** Null when not even a row could be written. */
  workspace_id: uuid.nullable(),
  name: z.string(),
  status: z.enum(['provisioning', 'awaiting_agent', 'failed']),
  error: z.string().optional(),
});
export type ImportedBundle = z.output<typeof importedFields> & { children?: ImportedBundle[] | undefined };

export const bundleRoutes = defineRoutes({
  exportBundle: {
    method: 'GET',
    path: '/bundles/export/:id',
    auth: 'ADMIN',
    summary: 'A workspace and all below it as one document, without secrets.',
    params: idParams,
    replies: { 200: bundle },
    errors: ['not_found', 'conflict', 'files_failed', 'secrets_unreadable'],
  },
  importBundle: {
    method: 'POST',
    path: '/bundles/import',
    auth: 'ADMIN',
    summary: 'Creates the workspaces of a bundle, with new ids, and starts them.',
    body: bundle,
    bodyLimit: BUNDLE_LIMIT,
    replies: { 201: importedFields.extend({ children: nested<ImportedBundle, ImportedBundle>().optional() }) },
    errors: ['unknown_runtime', 'body_too_large'],
  },
});
