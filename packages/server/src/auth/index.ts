// Authentication: tokens, sessions, sign-in links, and the class check of every route (chapter 10 §5).

import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Kysely, Transaction } from 'kysely';
import type { Config } from '../config.ts';
import type { Clock } from '../platform/clock.ts';
import type { Database, Tables } from '../platform/db/index.ts';
import { notFound } from '../platform/errors.ts';
import type { Authorize } from '../platform/http.ts';
import type { Logger } from '../platform/log.ts';
import type { Loop } from '../platform/loops.ts';
import type { Principal } from '../platform/principal.ts';
import { resolveAdminToken } from './admin-token.ts';
import { createAuthorize } from './authorize.ts';
import { bearerOf } from './bearer.ts';
import { createControlPlaneSessions } from './control-plane-sessions.ts';
import { createSecret, hashSecret, prefixOf } from './credentials.ts';
import { mountAuthRoutes } from './routes.ts';
import * as store from './store.ts';
import { AUTH_CHANNEL, createTokenCache } from './token-cache.ts';

export { foreignCookiesOf } from './authorize.ts';
export { equalSecrets } from './credentials.ts';
export { lookUp } from './lookup.ts';

const SIGN_IN_MINUTES = 10;

export interface MintedToken {
  id: string;
  token: string;
  prefix: string;
}

export interface Auth {
  authorize: Authorize;
  allowedOrigin(origin: string | undefined, request: FastifyRequest): boolean;
  /** For connections that outlive their request: whether its credential is still worth what it was. */
  isStillAllowed(request: FastifyRequest, principal: Principal): Promise<boolean>;
  bearerOf(request: FastifyRequest): string | null;
  /** Stands for the bearer where the bearer itself must not be kept. */
  bearerKeyOf(request: FastifyRequest): string | null;
  /** Whether the bearer is, or until its deletion was, one of this platform's. @throws platform_unavailable */
  isKnownBearer(request: FastifyRequest): Promise<boolean>;
  tokens: {
    /** @throws not_found when the workspace is unknown or removed. */
    mint(executor: Kysely<Tables> | Transaction<Tables>, workspaceId: string): Promise<MintedToken>;
    /** Revokes in the caller's transaction; `forget` after its commit. */
    revokeAll(trx: Transaction<Tables>, workspaceIds: string[], options: { byDeletion: boolean }): Promise<number>;
    verify(bearer: string): Promise<{ tokenId: string; workspaceId: string } | null>;
    /** The store has just shown that these tokens are live, so that they need not be looked up for a while. */
    confirm(tokenIds: Iterable<string>): void;
    /** Empties the caches of every replica; after the commit of a revocation. */
    forget(): Promise<void>;
  };
  adminToken: string | null;
  createSignInLink(baseUrl: string): Promise<{ url: string; expiresAt: Date }>;
  loops: Loop[];
  start(): Promise<void>;
  stop(): Promise<void>;
  mount(app: FastifyInstance): void;
}

export async function createAuth({
  db,
  config,
  log,
  clock,
}: {
  db: Database;
  config: Config;
  log: Logger;
  clock: Clock;
}): Promise<Auth> {
  const adminToken = resolveAdminToken(config, log);
  const cache = createTokenCache(db, log, clock);
  const controlPlane = createControlPlaneSessions({ config, clock, log });
  const { authorize, allowedOrigin, isStillAllowed, isKnownBearer } = createAuthorize({
    db,
    config,
    tokens: cache,
    controlPlane,
    adminToken,
    log,
  });
  let unlisten: (() => Promise<void>) | null = null;

  const auth: Auth = {
    authorize,
    allowedOrigin,
    isStillAllowed,
    bearerOf: (request) => bearerOf(request)?.secret ?? null,
    bearerKeyOf: (request) => bearerOf(request)?.key ?? null,
    isKnownBearer,
    adminToken,
    tokens: {
      async mint(executor, workspaceId) {
        const token = createSecret();
        const stored = await store.insertWorkspaceToken(executor, workspaceId, hashSecret(token), prefixOf(token));
        if (!stored) throw notFound('workspace');
        return { id: stored.id, token, prefix: prefixOf(token) };
      },
      async revokeAll(trx, workspaceIds, { byDeletion }) {
        const revoked = await store.revokeTokensOf(trx, workspaceIds, byDeletion);
        // Before the commit, so that nothing is remembered while it runs; the caller forgets once more after it.
        cache.clear();
        return revoked;
      },
      async verify(bearer) {
        const found = await cache.find(bearer);
        return found?.kind === 'workspace' && found.workspace_id
          ? { tokenId: found.id, workspaceId: found.workspace_id }
          : null;
      },
      confirm: cache.confirm,
      forget: () => cache.forgetAll(),
    },
    async createSignInLink(baseUrl) {
      const code = createSecret();
      const expiresAt = await store.insertSignInCode(db.kysely, hashSecret(code), SIGN_IN_MINUTES);
      return { url: `${baseUrl}/login?code=${code}`, expiresAt };
    },
    loops: [
      {
        name: 'credential-upkeep',
        why: 'Expired sessions would pile up, and people could not see which tokens are in use.',
        everyMs: 60_000,
        timeoutMs: 10_000,
        runs: 'every-replica',
        run: async () => ({
          touched: await cache.touch(),
          sessions_expired: await store.deleteExpiredSessions(db.kysely),
        }),
      },
      {
        name: 'session-cache',
        why: 'What the control plane said of cookies that nobody sends any more would be kept for ever.',
        everyMs: 120_000,
        timeoutMs: 10_000,
        runs: 'every-replica',
        run: async () => ({ evicted: controlPlane.evict() }),
      },
    ],
    async start() {
      if (db.kind === 'postgres') unlisten = await db.listen(AUTH_CHANNEL, () => cache.clear());
    },
    async stop() {
      await unlisten?.();
      await controlPlane.close();
    },
    mount: (app) => mountAuthRoutes(app, { db, config, auth, cache, clock }),
  };
  return auth;
}
