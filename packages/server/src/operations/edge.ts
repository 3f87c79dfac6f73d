// What every reply and request passes at the edge: security headers, CORS, the rate limit, the tenant guard (chapter 10 §5.5).

import cors from '@fastify/cors';
import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Auth } from '../auth/index.ts';
import type { Config } from '../config.ts';
import { PlatformError } from '../platform/errors.ts';
import type { Loop } from '../platform/loops.ts';
import { SECURITY_HEADERS } from './security-headers.ts';
import { installTenantGuard } from './tenant-guard.ts';

const AUTHENTICATED_FOR_MS = 300_000;
const MOST_REMEMBERED = 50_000;
const WINDOW_MS = 60_000;
const UNLIMITED = new Set(['/health', '/metrics']);

/** A bearer that authenticated lately has a bucket of its own: all agents of one machine share an address. */
function createBuckets(keyOf: (request: FastifyRequest) => string | null) {
  const authenticated = new Map<string, number>();
  return {
    keyFor(request: FastifyRequest): string {
      const key = keyOf(request);
      if (key === null) return `ip:${request.ip}`;
      const until = authenticated.get(key);
      return until !== undefined && until > Date.now() ? `bearer:${key}` : `ip:${request.ip}`;
    },
    remember(request: FastifyRequest): void {
      const key = keyOf(request);
      if (key === null) return;
      if (authenticated.size >= MOST_REMEMBERED) authenticated.clear();
      authenticated.set(key, Date.now() + AUTHENTICATED_FOR_MS);
    },
    evict(): number {
      const before = authenticated.size;
      const now = Date.now();
      for (const [key, until] of authenticated) if (until <= now) authenticated.delete(key);
      return before - authenticated.size;
    },
  };
}

type Buckets = ReturnType<typeof createBuckets>;

export interface Edge {
  /** Before any route: hooks guard only what is added after them. */
  install(app: FastifyInstance): Promise<void>;
  loops: Loop[];
}

export function createEdge(config: Config, auth: Auth): Edge {
  const buckets = createBuckets(auth.bearerKeyOf);
  return {
    install: (app) => installEdge(app, config, auth, buckets),
    loops: [
      {
        name: 'limiter-gc',
        why: 'The rate limit would go on remembering bearers that nobody uses any more.',
        everyMs: 300_000,
        timeoutMs: 10_000,
        runs: 'every-replica',
        run: async () => ({ evicted: buckets.evict() }),
      },
    ],
  };
}

/** The last three are those of A2A calls. */
const ALLOWED_HEADERS = [
  ...['Origin', 'Content-Type', 'X-Workspace-ID', 'Authorization'],
  ...['A2A-Version', 'Idempotency-Key', 'Last-Event-ID'],
];

async function installEdge(app: FastifyInstance, config: Config, auth: Auth, buckets: Buckets): Promise<void> {
  // At the start, so that a reply that is streamed past Fastify carries them as well.
  app.addHook('onRequest', (_request, reply, done) => {
    reply.headers(SECURITY_HEADERS);
    done();
  });
  await app.register(cors, {
    origin: config.corsOrigins,
    credentials: true,
    methods: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
    allowedHeaders: ALLOWED_HEADERS,
    exposedHeaders: ['Retry-After', 'X-RateLimit-Limit', 'X-RateLimit-Remaining', 'X-RateLimit-Reset'],
    strictPreflight: false,
  });
  await limitRate(app, config.rateLimit, buckets);
  installTenantGuard(app, config, auth);
}

/** Counts before anyone is authenticated, so that guessing credentials is limited too. */
async function limitRate(app: FastifyInstance, perMinute: number, buckets: Buckets): Promise<void> {
  if (perMinute === 0) {
    app.addHook('onRequest', async (_request, reply) => void reply.header('x-ratelimit-limit', 'unlimited'));
    return;
  }
  await app.register(rateLimit, {
    global: false,
    max: perMinute,
    timeWindow: WINDOW_MS,
    cache: MOST_REMEMBERED,
    keyGenerator: (request) => buckets.keyFor(request),
    allowList: (request) => UNLIMITED.has(request.url.split('?')[0] ?? ''),
    errorResponseBuilder: (_request, { ttl }) =>
      new PlatformError('rate_limited', 'too many requests', { retry_after: Math.ceil(ttl / 1000) }),
  });
  // As a hook of the whole instance: the plugin's own route hooks would run after the route's authentication.
  app.addHook('onRequest', app.rateLimit());
  app.addHook('preHandler', async (request) => {
    if (request.principal && request.principal.kind !== 'anonymous') buckets.remember(request);
  });
}
