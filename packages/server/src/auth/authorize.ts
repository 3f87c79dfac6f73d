// From a request to a principal, and from a principal to a yes or no by the route's class (chapter 10 §5.2–5.3).

import { type Route, SESSION_COOKIE, uuid } from '@molecule/contract';
import type { FastifyRequest } from 'fastify';
import { type Config, isLoopbackHost } from '../config.ts';
import type { Database } from '../platform/db/index.ts';
import { invalid, PlatformError, unauthenticated } from '../platform/errors.ts';
import type { Authorize } from '../platform/http.ts';
import type { Logger } from '../platform/log.ts';
import { anchorOf, isAdmin, type Principal } from '../platform/principal.ts';
import { type Bearer, bearerOf, hashOf } from './bearer.ts';
import type { ControlPlaneSessions } from './control-plane-sessions.ts';
import { equalHashes, hashSecret } from './credentials.ts';
import { lookUp } from './lookup.ts';
import * as store from './store.ts';
import type { TokenCache } from './token-cache.ts';

const RESERVED_CALLER = /^(webhook|system|test|channel):/;

/** What other parties may see of a Cookie header: all but the session of this platform. */
export function foreignCookiesOf(request: FastifyRequest): string {
  return (request.headers.cookie ?? '')
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '' && pair.split('=')[0]?.trim() !== SESSION_COOKIE)
    .join('; ');
}

export interface AuthorizeDeps {
  db: Database;
  config: Config;
  tokens: TokenCache;
  controlPlane: ControlPlaneSessions;
  adminToken: string | null;
  log: Logger;
}

export function createAuthorize({ db, config, tokens, controlPlane, adminToken, log }: AuthorizeDeps): {
  authorize: Authorize;
  isKnownBearer(request: FastifyRequest): Promise<boolean>;
  allowedOrigin(origin: string | undefined, request: FastifyRequest): boolean;
  isStillAllowed(request: FastifyRequest, principal: Principal): Promise<boolean>;
} {
  const adminHash = adminToken === null ? null : hashSecret(adminToken);
  const listedOrigins = new Set(config.corsOrigins);

  /** The platform's own origin and the CORS list. No origin at all: not a browser page. */
  function allowedOrigin(origin: string | undefined, request: FastifyRequest): boolean {
    if (origin === undefined) return true;
    return origin === `${request.protocol}://${request.host}` || listedOrigins.has(origin);
  }

  async function fromBearer({ key }: Bearer): Promise<Principal> {
    // Never the admin token: that is not looked up.
    let found = tokens.recall(key);
    if (!found) {
      if (adminHash !== null && equalHashes(hashOf(key), adminHash)) return { kind: 'admin-token' };
      found = await tokens.findByKey(key);
    }
    if (!found) return { kind: 'anonymous' };
    if (found.kind === 'org')
      return { kind: 'org-token', tokenId: found.id, prefix: found.prefix, orgId: found.org_id };
    if (found.kind === 'deleted-workspace') return { kind: 'deleted-workspace', workspaceId: found.workspace_id ?? '' };
    return { kind: 'workspace', workspaceId: found.workspace_id ?? '', tokenId: found.id };
  }

  /** A session of this platform, else one of the control plane; null for neither. */
  async function fromCookies(request: FastifyRequest): Promise<Principal | null> {
    const own = request.cookies[SESSION_COOKIE];
    const session = own ? await lookUp(store.findSession(db.kysely, hashSecret(own))) : null;
    if (session) {
      const openedBy = session.by_org_token ? { orgId: session.org_id } : null;
      return { kind: 'session', sessionId: session.id, expiresAt: session.expires_at, openedBy };
    }
    return (await controlPlane.isMember(foreignCookiesOf(request)))
      ? { kind: 'session', sessionId: null, expiresAt: null, openedBy: null }
      : null;
  }

  /** A bearer that is there decides, and an invalid one never falls through to something weaker; else the cookie; else the dev hatch. */
  async function identify(request: FastifyRequest): Promise<{ principal: Principal; invalidBearer: boolean }> {
    const bearer = bearerOf(request);
    if (bearer !== null) {
      const principal = await fromBearer(bearer);
      return { principal, invalidBearer: principal.kind === 'anonymous' || principal.kind === 'deleted-workspace' };
    }
    if (request.headers.authorization !== undefined) return { principal: { kind: 'anonymous' }, invalidBearer: true };
    const session = request.headers.cookie === undefined ? null : await fromCookies(request);
    if (session) return { principal: session, invalidBearer: false };
    // By a name that only points here, another site's page would be of our own origin (DNS rebinding).
    if (config.devHatch && isLoopbackHost(request.hostname))
      return { principal: { kind: 'dev-hatch' }, invalidBearer: false };
    return { principal: { kind: 'anonymous' }, invalidBearer: false };
  }

  /** The header is a hint that must agree with the bearer (chapter 20 §1.2). */
  function assertCaller(request: FastifyRequest, principal: Principal): void {
    const named = request.headers['x-workspace-id'];
    if (named === undefined || named === '') return;
    if (typeof named !== 'string' || RESERVED_CALLER.test(named)) {
      // Not what follows: it is whatever the caller wrote, and might be a credential.
      log.warn(
        { kind: RESERVED_CALLER.exec(String(named))?.[1] ?? null, reqId: request.id },
        'a caller forged a reserved id',
      );
      throw new PlatformError('invalid_caller', 'invalid caller ID', { field: 'X-Workspace-ID' });
    }
    if (principal.kind === 'anonymous') throw new PlatformError('unauthenticated', 'missing caller auth token');
    const id = named.toLowerCase();
    if (principal.kind === 'workspace' && principal.workspaceId !== id)
      throw new PlatformError('unauthenticated', 'invalid caller auth token');
    if (!uuid.safeParse(id).success) throw invalid('X-Workspace-ID', 'must be a valid UUID');
    request.headers['x-workspace-id'] = id;
  }

  /** What is said of one organisation, an organisation token says of its own alone (chapter 10 §5.1). */
  function assertOwnOrg(route: Route, principal: Principal, params: Record<string, string>): void {
    if (!route.path.startsWith('/orgs/:id/')) return;
    const anchor = anchorOf(principal);
    if (anchor !== null && anchor.orgId !== params.id)
      throw new PlatformError('foreign_org', 'this organisation token is not for this organisation');
  }

  function passes(
    route: Route,
    principal: Principal,
    params: Record<string, string>,
    request: FastifyRequest,
    invalidBearer: boolean,
  ): boolean {
    switch (route.auth) {
      case 'PUB':
      case 'REG':
        return true;
      case 'ADMIN':
        return isAdmin(principal);
      case 'SELF':
        return isAdmin(principal) || (principal.kind === 'workspace' && principal.workspaceId === params.id);
      case 'STATE':
        return (
          isAdmin(principal) ||
          ((principal.kind === 'workspace' || principal.kind === 'deleted-workspace') &&
            principal.workspaceId === params.id)
        );
      case 'OWN':
        return principal.kind === 'workspace' && principal.workspaceId === params.id;
      case 'ANY':
      case 'CALLER':
        return isAdmin(principal) || principal.kind === 'workspace';
      case 'COSMETIC':
        return (
          isAdmin(principal) ||
          (!invalidBearer && request.headers.origin !== undefined && allowedOrigin(request.headers.origin, request))
        );
      case 'ROOT':
        return principal.kind === 'admin-token' || principal.kind === 'dev-hatch';
    }
  }

  return {
    allowedOrigin,
    async isKnownBearer(request) {
      const bearer = bearerOf(request);
      return bearer !== null && (await fromBearer(bearer)).kind !== 'anonymous';
    },
    async isStillAllowed(request, principal) {
      try {
        return (await identify(request)).principal.kind === principal.kind;
      } catch {
        // A store that does not answer proves nothing against a connection it let in before; the next check decides.
        return true;
      }
    },
    async authorize(request, route, params) {
      if (route.auth === 'PUB') return { kind: 'anonymous' };
      const { principal, invalidBearer } = await identify(request);
      if (route.auth === 'CALLER') assertCaller(request, principal);
      if (!passes(route, principal, params, request, invalidBearer)) throw unauthenticated();
      // A foreign page's requests carry the cookie, and reach the dev hatch with nothing at all: a write needs an origin of ours.
      const isAmbient = principal.kind === 'session' || principal.kind === 'dev-hatch';
      // A socket too: a browser opens it with the cookie from any page.
      const isGuarded = route.method !== 'GET' || route.transport === 'websocket';
      if (isAmbient && isGuarded && !allowedOrigin(request.headers.origin, request)) {
        throw new PlatformError('origin_refused', 'this origin may not use the session');
      }
      assertOwnOrg(route, principal, params);
      return principal;
    },
  };
}
