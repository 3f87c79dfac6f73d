import { startPlatform, type TestPlatform } from '@molecule/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { ConfigError, readConfig } from '../config.ts';

/** Each test sets its own limits, so each has its platform; the database is one. */
let base: TestPlatform;
const running: TestPlatform[] = [];
beforeAll(async () => {
  base = await startPlatform();
});
afterAll(async () => {
  await base?.stop();
});
async function start(env: Record<string, string> = {}): Promise<TestPlatform> {
  const platform = await startPlatform({ env, db: base.db, dataDir: base.dataDir });
  running.push(platform);
  return platform;
}
afterEach(async () => {
  for (const platform of running.splice(0)) await platform.stop();
});

const get = (test: TestPlatform, path: string, headers: Record<string, string> = {}) =>
  fetch(test.url + path, { headers });

describe('rate limit', () => {
  it('10.34 a spoofed X-Forwarded-For does not evade 429, Retry-After is there, the 11th org mint of an hour is 429', async () => {
    const test = await start({ RATE_LIMIT: '5' });
    const statuses: number[] = [];
    for (let attempt = 0; attempt < 6; attempt += 1)
      statuses.push(
        (
          await get(test, '/workspaces', {
            authorization: `Bearer guess-${attempt}`,
            'x-forwarded-for': `198.51.100.${attempt}`,
          })
        ).status,
      );
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429]);
    const refused = await get(test, '/workspaces', { 'x-forwarded-for': '198.51.100.99' });
    expect(refused.status).toBe(429);
    const wait = Number(refused.headers.get('retry-after'));
    expect(wait).toBeGreaterThan(0);
    expect(wait).toBeLessThanOrEqual(60);
    expect(refused.headers.get('x-ratelimit-limit')).toBe('5');
    expect(refused.headers.get('x-ratelimit-remaining')).toBe('0');
    expect(await refused.json()).toEqual({ error: 'too many requests', code: 'rate_limited', retry_after: wait });

    const minting = await start();
    for (let count = 0; count < 10; count += 1)
      expect((await minting.admin.createOrgToken({ body: { name: `key ${count}` } })).auth_token).toMatch(/^.{43}$/);
    const eleventh = await fetch(`${minting.url}/org/tokens`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${minting.adminToken}`,
        'content-type': 'application/json',
        'x-forwarded-for': '198.51.100.7',
      },
      body: '{}',
    });
    expect(eleventh.status).toBe(429);
    expect(Number(eleventh.headers.get('retry-after'))).toBeGreaterThan(3_000);
  });

  it('a bearer that authenticated has a bucket of its own; health and metrics are exempt', async () => {
    const test = await start({ RATE_LIMIT: '3' });
    const authorization = `Bearer ${test.adminToken}`;
    // The first call counts for the address; it authenticates, so the next ones count for the bearer.
    for (let count = 0; count < 4; count += 1)
      expect((await get(test, '/workspaces', { authorization })).status).toBe(200);
    expect((await get(test, '/workspaces', { authorization })).status).toBe(429);
    expect((await get(test, '/no-such-route')).status).toBe(404);
    expect((await get(test, '/no-such-route')).status).toBe(404);
    expect((await get(test, '/no-such-route')).status).toBe(429);
    for (let count = 0; count < 5; count += 1) {
      expect((await get(test, '/health')).status).toBe(200);
      expect((await get(test, '/metrics')).status).toBe(200);
    }
  });

  it('counts the peer, and behind a trusted proxy the rightmost untrusted hop', async () => {
    const test = await start({ RATE_LIMIT: '2', TRUSTED_PROXIES: '127.0.0.1' });
    const from = async (chain: string) => (await get(test, '/workspaces', { 'x-forwarded-for': chain })).status;
    expect(await from('203.0.113.9, 198.51.100.1')).toBe(401);
    expect(await from('203.0.113.8, 198.51.100.1')).toBe(401);
    expect(await from('203.0.113.7, 198.51.100.1')).toBe(429);
    expect(await from('198.51.100.2')).toBe(401);
  });

  it('the dev hatch switches the limit off and says so', async () => {
    const test = await start({ ADMIN_TOKEN: '', MOLECULE_ENV: 'development', RATE_LIMIT: '1' });
    for (let count = 0; count < 3; count += 1) {
      const reply = await get(test, '/workspaces');
      expect([reply.status, reply.headers.get('x-ratelimit-limit')]).toEqual([200, 'unlimited']);
    }
  });
});

describe('headers and origins', () => {
  const expected = {
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'strict-transport-security': 'max-age=31536000; includeSubDomains',
    'referrer-policy': 'strict-origin-when-cross-origin',
    'permissions-policy': 'camera=(), microphone=(), geolocation=()',
  };

  it('stand on every kind of reply: good, refused, unknown, malformed, limited, preflight', async () => {
    const test = await start({ RATE_LIMIT: '4' });
    const replies = [
      await get(test, '/health'),
      await get(test, '/workspaces'),
      await get(test, '/no-such-route'),
      await get(test, '/workspaces/not-an-id'),
      await fetch(`${test.url}/auth/session`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{',
      }),
      await fetch(`${test.url}/workspaces`, {
        method: 'OPTIONS',
        headers: { origin: 'http://localhost:3000', 'access-control-request-method': 'POST' },
      }),
      await get(test, '/workspaces'),
    ];
    expect(replies.map((reply) => reply.status)).toEqual([200, 401, 404, 400, 400, 204, 429]);
    for (const reply of replies) {
      for (const [name, value] of Object.entries(expected)) expect(reply.headers.get(name)).toBe(value);
      expect(reply.headers.get('content-security-policy')).toContain("default-src 'self'");
      expect(reply.headers.get('content-security-policy')).not.toContain('unsafe-eval');
    }
  });

  it('CORS answers the listed origins with credentials and no other', async () => {
    const test = await start({ CORS_ORIGINS: 'https://canvas.example' });
    const listed = await get(test, '/health', { origin: 'https://canvas.example' });
    expect(listed.headers.get('access-control-allow-origin')).toBe('https://canvas.example');
    expect(listed.headers.get('access-control-allow-credentials')).toBe('true');
    for (const origin of ['http://localhost:3000', 'https://canvas.example.evil.com', 'null'])
      expect((await get(test, '/health', { origin })).headers.get('access-control-allow-origin')).toBeNull();
  });

  it('are listed once for every transport: replies, sockets, cosmetic writes and writes with a session', async () => {
    const test = await start({
      CORS_ORIGINS: ' https://canvas.example/ ',
      EXTERNAL_PLATFORM_URL: 'https://people.example/',
    });
    const signedIn = await fetch(`${test.url}/auth/session`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token: test.adminToken }),
    });
    const cookie = signedIn.headers.get('set-cookie')?.split(';')[0] ?? '';
    async function opensSocket(origin: string): Promise<boolean> {
      const answered = Promise.withResolvers<boolean>();
      const socket = new WebSocket(`${test.url.replace('http', 'ws')}/ws`, { headers: { origin, cookie } });
      socket.once('open', () => answered.resolve(true));
      socket.on('error', () => answered.resolve(false));
      const opened = await answered.promise;
      socket.terminate();
      return opened;
    }
    const write = async (path: string, method: string, headers: Record<string, string>) =>
      (
        await fetch(test.url + path, {
          method,
          headers: { 'content-type': 'application/json', ...headers },
          body: JSON.stringify({ x: 0, y: 0, zoom: 1 }),
        })
      ).status;
    const doors = async (origin: string) => [
      (await get(test, '/health', { origin })).headers.get('access-control-allow-origin') === origin,
      await opensSocket(origin),
      await write('/canvas/viewport', 'PUT', { origin }),
      await write('/auth/sign-in-links', 'POST', { origin, cookie }),
    ];
    for (const origin of ['https://canvas.example', 'https://people.example'])
      expect([origin, await doors(origin)]).toEqual([origin, [true, true, 200, 201]]);
    for (const origin of ['http://localhost:3000', 'https://canvas.example.evil.com', 'https://canvas.example:444'])
      expect([origin, await doors(origin)]).toEqual([origin, [false, false, 401, 403]]);
    // The own origin needs no permission to read, and has every other.
    expect((await doors(test.url)).slice(1)).toEqual([true, 200, 201]);
  });

  it('an origin that is none, or all of them, ends the start', () => {
    for (const CORS_ORIGINS of ['*', 'https://canvas.example,*', 'canvas.example', 'data:text/plain,x', 'null'])
      expect(() => readConfig({ PATH: '/bin', CORS_ORIGINS })).toThrow(ConfigError);
    for (const name of ['CP_UPSTREAM_URL', 'CANVAS_PROXY_URL', 'EXTERNAL_PLATFORM_URL'])
      for (const value of [
        'host.example',
        'ftp://host.example',
        'https://user:secret@host.example',
        'https://h.example/?a=b',
      ])
        expect(() => readConfig({ PATH: '/bin', [name]: value })).toThrow(`${name} is not an http or https address`);
  });
});
