// HTTP of sign-in, sessions and tokens.

import { authRoutes, SESSION_COOKIE } from '@molecule/contract';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Config } from '../config.ts';
import type { Clock } from '../platform/clock.ts';
import type { Database } from '../platform/db/index.ts';
import { notFound, PlatformError } from '../platform/errors.ts';
import { mount } from '../platform/http.ts';
import { anchorOf, describePrincipal, type Principal } from '../platform/principal.ts';
import { createSecret, equalSecrets, hashSecret, prefixOf } from './credentials.ts';
import type { Auth } from './index.ts';
import { lookUp } from './lookup.ts';
import * as store from './store.ts';
import type { TokenCache } from './token-cache.ts';

const SESSION_HOURS = 12;
const MOST_LIVE_TOKENS = 50;
const MINTS_PER_HOUR = 10;
const HOUR_MS = 3_600_000;

export interface AuthRouteDeps {
  db: Database;
  config: Config;
  auth: Auth;
  cache: TokenCache;
  clock: Clock;
}

/** At most ten mints per hour and address (chapter 10 §2.2); the window is fixed. */
function createMintLimit(clock: Clock) {
  const windows = new Map<string, { count: number; until: number }>();
  return (address: string): void => {
    const now = clock.now();
    for (const [key, window] of windows) if (window.until <= now) windows.delete(key);
    const window = windows.get(address) ?? { count: 0, until: now + HOUR_MS };
    window.count += 1;
    windows.set(address, window);
    if (window.count <= MINTS_PER_HOUR) return;
    const retryAfter = Math.ceil((window.until - now) / 1000);
    throw new PlatformError(
      'rate_limited',
      'too many organisation tokens were made in this hour',
      { retry_after: retryAfter },
      { headers: { 'retry-after': String(retryAfter) } },
    );
  };
}

export function mountAuthRoutes(app: FastifyInstance, { db, config, auth, cache, clock }: AuthRouteDeps): void {
  const assertMintAllowed = createMintLimit(clock);

  /** @returns what the session is opened by; null when the credential is not good for one. */
  async function useCredential(body: {
    token?: string | undefined;
    code?: string | undefined;
  }): Promise<string | null> {
    if (body.code) return (await lookUp(store.useSignInCode(db.kysely, hashSecret(body.code)))) ? 'code' : null;
    const token = body.token ?? '';
    if (auth.adminToken !== null && equalSecrets(token, auth.adminToken)) return 'admin-token';
    const found = await cache.find(token);
    return found?.kind === 'org' ? store.openedByOrgToken(found.id) : null;
  }

  function setSession(request: FastifyRequest, reply: FastifyReply, secret: string, expiresAt: Date): void {
    reply.setCookie(SESSION_COOKIE, secret, {
      httpOnly: true,
      sameSite: 'strict',
      secure: request.protocol === 'https',
      path: '/',
      expires: expiresAt,
    });
  }

  async function assertLive(id: string): Promise<void> {
    if (!(await store.isLiveWorkspace(db.kysely, id))) throw notFound('workspace');
  }

  /** An organisation token makes others of its own kind alone; operators choose. */
  async function chooseAnchor(principal: Principal, wanted: string | null): Promise<string | null> {
    const anchor = anchorOf(principal);
    if (anchor !== null) {
      if (wanted !== null && wanted !== anchor.orgId)
        throw new PlatformError('foreign_org', 'this organisation token makes tokens for its own organisation only');
      return anchor.orgId;
    }
    if (wanted !== null && !(await store.isLiveOrg(db.kysely, wanted))) throw notFound('organisation');
    return wanted;
  }

  const { createTestToken, ...routes } = authRoutes;
  mount(
    app,
    routes,
    {
      createSession: async ({ body, request, reply }) => {
        const openedBy = await useCredential(body);
        if (openedBy === null)
          throw new PlatformError(
            'invalid_code',
            body.code ? 'this sign-in link was used or has expired' : 'this token is not valid',
          );
        const secret = createSecret();
        const expiresAt = await store.insertSession(db.kysely, hashSecret(secret), openedBy, SESSION_HOURS);
        setSession(request, reply, secret, expiresAt);
        return { status: 'signed_in' as const, expires_at: expiresAt };
      },
      getSession: async ({ principal }) => ({
        principal: principal.kind as 'session',
        expires_at: principal.kind === 'session' ? (principal.expiresAt?.toISOString() ?? null) : null,
      }),
      deleteSession: async ({ principal, reply }) => {
        if (principal.kind === 'session' && principal.sessionId !== null)
          await store.deleteSession(db.kysely, principal.sessionId);
        reply.clearCookie(SESSION_COOKIE, { path: '/' });
        return { status: 'signed_out' as const };
      },
      createSignInLink: async ({ request }) => {
        const { url, expiresAt } = await auth.createSignInLink(
          config.externalPlatformUrl ?? `${request.protocol}://${request.host}`,
        );
        return { url, expires_at: expiresAt };
      },
      listTokens: async ({ params, query }) => {
        await assertLive(params.id);
        const tokens = await store.listLiveTokens(db.kysely, params.id, query.limit, query.offset);
        return {
          tokens: tokens.map((token) => ({ ...token, last_used_at: token.last_used_at?.toISOString() ?? null })),
          count: await store.countLiveTokens(db.kysely, params.id),
        };
      },
      createToken: async ({ params }) => {
        const { token } = await db.tx(async (trx) => {
          if (!(await store.lockLiveWorkspace(trx, params.id))) throw notFound('workspace');
          if ((await store.countLiveTokens(trx, params.id)) >= MOST_LIVE_TOKENS)
            throw new PlatformError(
              'too_many_tokens',
              `a workspace holds at most ${MOST_LIVE_TOKENS} live tokens; revoke one`,
            );
          return await auth.tokens.mint(trx, params.id);
        });
        return { auth_token: token, workspace_id: params.id, message: 'Keep it safe: it is shown only now.' };
      },
      revokeToken: async ({ params }) => {
        if (!(await store.revokeWorkspaceToken(db.kysely, params.id, params.tokenId))) throw notFound('token');
        await cache.forgetAll();
        return { status: 'revoked' as const };
      },
      listOrgTokens: async () => {
        const rows = await store.listOrgTokens(db.kysely);
        const tokens = rows.map((row) => ({
          id: row.id,
          prefix: row.prefix,
          ...(row.name ? { name: row.name } : {}),
          ...(row.org_id ? { org_id: row.org_id } : {}),
          ...(row.created_by ? { created_by: row.created_by } : {}),
          created_at: row.created_at,
          ...(row.last_used_at ? { last_used_at: row.last_used_at } : {}),
        }));
        return { tokens, count: tokens.length };
      },
      createOrgToken: async ({ body, principal, request }) => {
        assertMintAllowed(request.ip);
        const orgId = await chooseAnchor(principal, body?.org_id ?? null);
        const token = createSecret();
        const prefix = prefixOf(token);
        const { id } = await store.insertOrgToken(db.kysely, {
          hash: hashSecret(token),
          prefix,
          name: body?.name ?? null,
          createdBy: describePrincipal(principal),
          orgId,
        });
        return {
          id,
          prefix,
          ...(body?.name ? { name: body.name } : {}),
          ...(orgId ? { org_id: orgId } : {}),
          auth_token: token,
          warning: 'This token may do everything an administrator may. It is shown only now.',
        };
      },
      revokeOrgToken: async ({ params }) => {
        if (!(await store.revokeOrgToken(db.kysely, params.tokenId))) throw notFound('token');
        await cache.forgetAll();
        return { revoked: params.tokenId };
      },
    },
    auth.authorize,
  );

  // Where test tokens are off the route does not exist, so nobody can even ask (chapter 10 §2.2).
  if (!config.testTokensEnabled) return;
  mount(
    app,
    { createTestToken },
    {
      createTestToken: async ({ params }) => {
        await assertLive(params.id);
        const { token } = await auth.tokens.mint(db.kysely, params.id);
        return { auth_token: token, workspace_id: params.id };
      },
    },
    auth.authorize,
  );
}
