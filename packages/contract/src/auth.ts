// Sign-in, sessions and organisation tokens: the wire shapes of chapter 10 §2.2, §5.1.

import { z } from 'zod';
import { idParams, nullableTime, time, uuid } from './common.ts';
import { defineRoutes } from './route.ts';

export const SESSION_COOKIE = 'molecule_session';

export const authRoutes = defineRoutes({
  createSession: {
    method: 'POST',
    path: '/auth/session',
    auth: 'PUB',
    summary: 'Swaps the printed sign-in code, the admin token or an org token for a session cookie.',
    body: z
      .object({ token: z.string().min(1).optional(), code: z.string().min(1).optional() })
      .refine((body) => Boolean(body.token) !== Boolean(body.code), {
        message: 'give either token or code',
        path: ['token'],
      }),
    replies: { 200: z.object({ status: z.literal('signed_in'), expires_at: time }) },
    errors: ['invalid_code'],
  },
  getSession: {
    method: 'GET',
    path: '/auth/session',
    auth: 'ADMIN',
    summary: 'Tells a UI that it is signed in, and as what.',
    replies: {
      200: z.object({
        principal: z.enum(['session', 'org-token', 'admin-token', 'dev-hatch']),
        expires_at: nullableTime,
      }),
    },
  },
  deleteSession: {
    method: 'DELETE',
    path: '/auth/session',
    auth: 'ADMIN',
    summary: 'Ends the session.',
    replies: { 200: z.object({ status: z.literal('signed_out') }) },
  },
  createSignInLink: {
    method: 'POST',
    path: '/auth/sign-in-links',
    auth: 'ADMIN',
    summary: 'Prints a fresh single-use sign-in link.',
    replies: { 201: z.object({ url: z.string(), expires_at: time }) },
  },
  listTokens: {
    method: 'GET',
    path: '/workspaces/:id/tokens',
    auth: 'SELF',
    summary: 'Live tokens of a workspace, without their values.',
    params: idParams,
    query: z.object({
      limit: z.coerce.number().int().min(1).max(200).default(50),
      offset: z.coerce.number().int().min(0).default(0),
    }),
    replies: {
      200: z.object({
        tokens: z.array(z.object({ id: uuid, prefix: z.string(), created_at: time, last_used_at: nullableTime })),
        count: z.number(),
      }),
    },
  },
  createToken: {
    method: 'POST',
    path: '/workspaces/:id/tokens',
    auth: 'SELF',
    summary: 'Mints a workspace token; its value is shown once.',
    params: idParams,
    replies: { 201: z.object({ auth_token: z.string(), workspace_id: uuid, message: z.string() }) },
    errors: ['too_many_tokens', 'not_found'],
  },
  revokeToken: {
    method: 'DELETE',
    path: '/workspaces/:id/tokens/:tokenId',
    auth: 'SELF',
    summary: 'Revokes one token.',
    params: z.object({ id: uuid, tokenId: uuid }),
    replies: { 200: z.object({ status: z.literal('revoked') }) },
    errors: ['not_found'],
  },
  listOrgTokens: {
    method: 'GET',
    path: '/org/tokens',
    auth: 'ADMIN',
    summary: 'Organisation API tokens, newest first, without their values.',
    replies: {
      200: z.object({
        tokens: z.array(
          z.object({
            id: uuid,
            prefix: z.string(),
            name: z.string().optional(),
            org_id: uuid.optional(),
            created_by: z.string().optional(),
            created_at: time,
            last_used_at: time.optional(),
          }),
        ),
        count: z.number(),
      }),
    },
  },
  createOrgToken: {
    method: 'POST',
    path: '/org/tokens',
    auth: 'ADMIN',
    summary: 'Mints an organisation token; its value is shown once.',
    body: z.object({
      name: z.string().max(100).optional(),
      /** The organisation it is for; an organisation token hands on its own. */
      org_id: uuid.optional(),
    }),
    replies: {
      200: z.object({
        id: uuid,
        prefix: z.string(),
        name: z.string().optional(),
        org_id: uuid.optional(),
        auth_token: z.string(),
        warning: z.string(),
      }),
    },
    errors: ['rate_limited', 'foreign_org', 'not_found'],
  },
  revokeOrgToken: {
    method: 'DELETE',
    path: '/org/tokens/:tokenId',
    auth: 'ADMIN',
    summary: 'Revokes an organisation token.',
    params: z.object({ tokenId: uuid }),
    replies: { 200: z.object({ revoked: uuid }) },
    errors: ['not_found'],
  },
  createTestToken: {
    method: 'GET',
    path: '/admin/workspaces/:id/test-token',
    auth: 'ROOT',
    summary: 'Mints a workspace token for tests; exists only where test tokens are enabled.',
    params: z.object({ id: uuid }),
    replies: { 200: z.object({ auth_token: z.string(), workspace_id: uuid }) },
    errors: ['not_found'],
  },
});
