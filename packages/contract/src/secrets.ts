// Workspace and global secrets: the wire shapes of chapter 10 §2.3. Values travel in, never out, but for an agent's own bundle.

import { z } from 'zod';
import { idParams, time, uuid } from './common.ts';
import { defineRoutes } from './route.ts';

export const secretKey = z
  .string()
  .regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, 'must be an environment variable name of at most 128 characters');
const secretRow = z.object({
  key: z.string(),
  has_value: z.literal(true),
  scope: z.enum(['workspace', 'global']),
  created_at: time,
  updated_at: time,
});
const secretBody = z.object({ key: secretKey, value: z.string().min(1).max(65_536) });
const saved = z.object({ status: z.literal('saved'), key: z.string(), scope: z.literal('global').optional() });
const installationToken = z.object({ token: z.string(), expires_at: time });
const deleted = z.object({ status: z.literal('deleted'), key: z.string(), scope: z.literal('global').optional() });

export const secretRoutes = defineRoutes({
  listSecrets: {
    method: 'GET',
    path: '/workspaces/:id/secrets',
    auth: 'SELF',
    summary: 'Names of the secrets a workspace gets; a workspace key hides the global one.',
    params: idParams,
    replies: { 200: z.array(secretRow) },
    errors: ['not_found'],
  },
  getSecretValues: {
    method: 'GET',
    path: '/workspaces/:id/secrets/values',
    auth: 'OWN',
    summary: 'The merged secrets, for the agent itself.',
    params: idParams,
    replies: { 200: z.record(z.string(), z.string()) },
    errors: ['secrets_unreadable'],
  },
  saveSecret: {
    method: 'POST',
    path: '/workspaces/:id/secrets',
    auth: 'SELF',
    summary: 'Saves a secret and restarts the workspace.',
    params: idParams,
    body: secretBody,
    replies: { 200: saved },
    errors: ['not_found'],
  },
  putSecret: {
    method: 'PUT',
    path: '/workspaces/:id/secrets',
    auth: 'SELF',
    summary: 'Same as POST.',
    params: idParams,
    body: secretBody,
    replies: { 200: saved },
    errors: ['not_found'],
  },
  deleteSecret: {
    method: 'DELETE',
    path: '/workspaces/:id/secrets/:key',
    auth: 'SELF',
    summary: 'Deletes a secret and restarts the workspace.',
    params: z.object({ id: uuid, key: z.string() }),
    replies: { 200: deleted },
    errors: ['not_found'],
  },
  listGlobalSecrets: {
    method: 'GET',
    path: '/settings/secrets',
    auth: 'ADMIN',
    summary: 'Names of the global secrets.',
    replies: { 200: z.array(secretRow) },
  },
  saveGlobalSecret: {
    method: 'POST',
    path: '/settings/secrets',
    auth: 'ADMIN',
    summary: 'Saves a global secret and restarts the workspaces it reaches.',
    body: secretBody,
    replies: { 200: saved },
  },
  putGlobalSecret: {
    method: 'PUT',
    path: '/settings/secrets',
    auth: 'ADMIN',
    summary: 'Same as POST.',
    body: secretBody,
    replies: { 200: saved },
  },
  deleteGlobalSecret: {
    method: 'DELETE',
    path: '/settings/secrets/:key',
    auth: 'ADMIN',
    summary: 'Deletes a global secret and restarts the workspaces it reached.',
    params: z.object({ key: z.string() }),
    replies: { 200: deleted },
    errors: ['not_found'],
  },
  getGithubToken: {
    method: 'GET',
    path: '/admin/github-installation-token',
    auth: 'ADMIN',
    summary: 'An installation token of the configured GitHub App.',
    replies: { 200: installationToken },
    errors: ['not_found', 'github_token_failed'],
  },
  getSeatGithubToken: {
    method: 'GET',
    path: '/workspaces/:id/github-installation-token',
    auth: 'SELF',
    summary: 'The same, for the agent of a workspace.',
    params: idParams,
    replies: { 200: installationToken },
    errors: ['not_found', 'github_token_failed'],
  },
});
