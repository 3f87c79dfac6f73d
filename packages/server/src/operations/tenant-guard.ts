// The guard of a hosted tenant: requests that were meant for another one end in an empty 404 (chapter 10 §5.5). It routes, it
// authenticates nobody: what passes is judged by its route's class as everywhere.

import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Auth } from '../auth/index.ts';
import type { Config } from '../config.ts';

const OPEN_PATHS = new Set(['/health', '/metrics', '/registry/register', '/registry/heartbeat']);
const OPEN_PREFIX = '/cp/';

/** The `state=` part of the header the edge sets when it replays a request to this machine. */
function replayedFor(request: FastifyRequest): string | undefined {
  return String(request.headers['fly-replay-src'] ?? '')
    .split(';')
    .map((part) => part.trim())
    .find((part) => part.startsWith('state='))
    ?.slice('state='.length);
}

export function installTenantGuard(app: FastifyInstance, config: Config, auth: Auth): void {
  const { orgId } = config;
  if (orgId === null) return;
  const externalHost = config.externalPlatformUrl === null ? null : new URL(config.externalPlatformUrl).host;

  /** Whole hosts are compared: a host that only begins like ours is another one. */
  function isOwnPage(request: FastifyRequest): boolean {
    const page = request.headers.origin ?? request.headers.referer;
    const host = page === undefined ? null : (URL.parse(page)?.host ?? null);
    return host !== null && host !== '' && (host === request.host || host === externalHost);
  }

  async function isOurs(request: FastifyRequest): Promise<boolean> {
    const path = (request.raw.url ?? '').split('?', 1)[0] ?? '';
    if (OPEN_PATHS.has(path) || path.startsWith(OPEN_PREFIX)) return true;
    if (request.headers['x-molecule-org-id'] === orgId || replayedFor(request) === orgId) return true;
    return isOwnPage(request) || (await auth.isKnownBearer(request));
  }

  app.addHook('onRequest', async (request, reply) => {
    if (!(await isOurs(request))) return reply.status(404).send();
  });
}
