import { createSeat, type Seat, startPlatform, type TestPlatform } from '@molecule/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';

const ORG = '3f0c2b9e-tenant';
let tenant: TestPlatform;
let seat: Seat;
/** The same database without a tenant: where the seats of these tests are made. */
let open: TestPlatform;
beforeAll(async () => {
  open = await startPlatform();
  tenant = await startPlatform({
    db: open.db,
    dataDir: open.dataDir,
    env: { MOLECULE_ORG_ID: ORG, EXTERNAL_PLATFORM_URL: 'https://acme.example' },
  });
  seat = await createSeat(open, { delivery_mode: 'poll' });
});
afterAll(async () => {
  await tenant?.stop();
  await open?.stop();
});

async function ask(path: string, headers: Record<string, string> = {}, method = 'GET') {
  const response = await fetch(tenant.url + path, { method, headers });
  return { status: response.status, text: await response.text(), headers: response.headers };
}
const statusOf = async (...call: Parameters<typeof ask>) => (await ask(...call)).status;
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const EMPTY_404 = { status: 404, text: '' };

describe('the tenant guard', () => {
  it('10.35 a wrong org → empty 404; /health → 200; a valid bearer of the tenant → handled; Origin https://host.evil.com → 404', async () => {
    const { host } = new URL(tenant.url);
    for (const headers of [
      {},
      { 'x-molecule-org-id': 'another' },
      { 'x-molecule-org-id': `${ORG},another` },
      { 'fly-replay-src': `instance=1;state=${ORG}x` },
      { 'fly-replay-src': `instance=1;mystate=${ORG}` },
      bearer('guess'),
      { origin: `http://${host}.evil.com` },
      { origin: 'https://acme.example.evil.com' },
      { origin: `http://evil.com/${host}` },
      { origin: 'null' },
      { referer: `https://evil.com/?${host}` },
    ] as Record<string, string>[])
      for (const [method, path] of [
        ['GET', '/workspaces'],
        ['GET', `/workspaces/${seat.id}`],
        ['GET', '/no-such-route'],
        ['POST', '/auth/session'],
        ['GET', '/'],
        ['GET', '/health/'],
      ] as const)
        expect([headers, path, await ask(path, headers, method)]).toMatchObject([headers, path, EMPTY_404]);

    for (const path of ['/health', '/health?x=1', '/metrics'])
      expect([path, await statusOf(path)]).toEqual([path, 200]);
    for (const path of ['/registry/register', '/registry/heartbeat'])
      expect([path, await statusOf(path, { 'content-type': 'application/json' }, 'POST')]).toEqual([path, 400]);
    expect((await ask('/cp/anything')).text).toContain('route_not_found');

    for (const token of [tenant.adminToken, seat.token])
      expect(await statusOf(`/workspaces/${seat.id}`, bearer(token))).toBe(200);
    for (const headers of [
      { 'x-molecule-org-id': ORG },
      { 'fly-replay-src': `instance=abc;region=x;t=1;state=${ORG}` },
      { origin: tenant.url },
      { referer: `${tenant.url}/login?code=x` },
      { origin: 'https://acme.example' },
    ] as Record<string, string>[])
      expect([headers, await statusOf('/workspaces', headers)]).toEqual([headers, 401]);
  });

  it('stands after the limiter, so that organisations cannot be guessed for ever, and its reply has every header', async () => {
    const limited = await startPlatform({
      db: open.db,
      dataDir: open.dataDir,
      env: { MOLECULE_ORG_ID: ORG, RATE_LIMIT: '3' },
    });
    try {
      const replies = [];
      for (let attempt = 0; attempt < 4; attempt += 1)
        replies.push(
          await fetch(`${limited.url}/workspaces`, { headers: { 'x-molecule-org-id': `guess-${attempt}` } }),
        );
      expect(replies.map(({ status }) => status)).toEqual([404, 404, 404, 429]);
      expect(replies[0]?.headers.get('x-ratelimit-remaining')).toBe('2');
      expect(replies[0]?.headers.get('x-content-type-options')).toBe('nosniff');
      const counted = await (await fetch(`${limited.url}/metrics`)).text();
      expect(counted).toMatch(/molecule_http_requests_total\{method="GET",path="\/workspaces",status="404"\} 3/);
    } finally {
      await limited.stop();
    }
  });

  it('lets a page of a listed origin ask first, keeps foreign sockets out, and tells a deleted seat that it is', async () => {
    const preflight = await fetch(`${tenant.url}/workspaces`, {
      method: 'OPTIONS',
      headers: { origin: 'http://localhost:3000', 'access-control-request-method': 'GET' },
    });
    expect([preflight.status, preflight.headers.get('access-control-allow-origin')]).toEqual([
      204,
      'http://localhost:3000',
    ]);
    async function upgrade(headers: Record<string, string>): Promise<number> {
      const answered = Promise.withResolvers<number>();
      const socket = new WebSocket(`${tenant.url.replace('http', 'ws')}/ws`, { headers });
      socket.once('open', () => answered.resolve(101));
      socket.once('unexpected-response', (_request, response) => answered.resolve(response.statusCode ?? 0));
      socket.on('error', () => {});
      const status = await answered.promise;
      socket.terminate();
      return status;
    }
    expect(await upgrade({ origin: 'https://evil.example' })).toBe(404);
    expect(await upgrade(bearer(seat.token))).toBe(101);

    const gone = await createSeat(open);
    await open.admin.deleteWorkspace({ params: { id: gone.id } });
    expect(JSON.parse((await ask(`/workspaces/${gone.id}/state`, bearer(gone.token))).text)).toMatchObject({
      deleted: true,
    });
  });
});
