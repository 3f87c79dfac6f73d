// `/cp/*`: the few paths of the control plane that pages of this tenant need (chapter 10 §5.5). A path that any server on the
// way could read differently is not forwarded at all.

import type { FastifyInstance } from 'fastify';
import { type Auth, foreignCookiesOf } from '../auth/index.ts';
import type { Config } from '../config.ts';
import { PlatformError } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import { createPassthrough, keepBodiesRaw } from './passthrough.ts';

/** Whole segments: what ends in a slash needs something below it. */
const FORWARDED = ['/cp/auth/', '/cp/orgs', '/cp/billing/', '/cp/templates', '/cp/legal/'];
/** RFC 3986 path characters but `;`, which some servers cut a segment at. */
const PLAIN_PATH = /^[A-Za-z0-9\-._~!$&'()*+,=:@%/]+$/;
/** Separators, a second encoding, and control characters. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not pass
const AMBIGUOUS = /[/\\;%?#\u0000-\u001f\u007f]/;

function isPlainSegment(segment: string): boolean {
  try {
    const decoded = decodeURIComponent(segment).normalize('NFKC');
    return decoded !== '' && decoded !== '.' && decoded !== '..' && !AMBIGUOUS.test(decoded);
  } catch {
    return false;
  }
}

/** @returns whether the raw path, without its query, means the same to everybody and lies below an allowed prefix. */
export function isForwarded(path: string): boolean {
  if (!PLAIN_PATH.test(path)) return false;
  const segments = path.split('/').slice(1);
  const named = segments.at(-1) === '' ? segments.slice(0, -1) : segments;
  if (!named.every(isPlainSegment)) return false;
  return FORWARDED.some((prefix) =>
    prefix.endsWith('/') ? path.startsWith(prefix) && path !== prefix : `${path}/`.startsWith(`${prefix}/`),
  );
}

export interface ControlPlaneProxyDeps {
  config: Config;
  allowedOrigin: Auth['allowedOrigin'];
  log: Logger;
}

export async function mountControlPlaneProxy(
  app: FastifyInstance,
  { config, allowedOrigin, log }: ControlPlaneProxyDeps,
): Promise<void> {
  await app.register(async (scope) => {
    keepBodiesRaw(scope);
    const passthrough = config.cpUpstreamUrl === null ? null : createPassthrough(scope, config.cpUpstreamUrl, log);
    scope.route({
      method: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
      url: '/cp/*',
      handler: async (request, reply) => {
        const address = request.raw.url ?? '';
        const [path = ''] = address.split('?', 1);
        if (passthrough === null || !isForwarded(path) || address.includes('#'))
          throw new PlatformError('route_not_found', 'no route for this address');
        // The cookies of the control plane travel with any page's request, so a write needs an origin of ours.
        const isRead = request.method === 'GET' || request.method === 'HEAD';
        if (!isRead && !allowedOrigin(request.headers.origin, request))
          throw new PlatformError('origin_refused', 'this origin may not use the session');
        return await passthrough.forward(request, reply, {
          path: address,
          // The session of this platform is nobody else's business.
          requestHeaders: { cookie: foreignCookiesOf(request) || null },
        });
      },
    });
  });
}
