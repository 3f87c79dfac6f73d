import { ROUTES } from '@molecule/contract';
import { createManualClock, createSeat, failureOf, startPlatform, type TestPlatform } from '@molecule/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { toTemplate } from './openapi.ts';

const clock = createManualClock();
let test: TestPlatform;
beforeAll(async () => {
  test = await startPlatform({ clock });
});
afterAll(async () => {
  await test?.stop();
});

const get = (path: string, init: RequestInit = {}) => fetch(test.url + path, init);

describe('health', () => {
  it('is ok while every loop ticks, names those that do not, and recovers with their next tick', async () => {
    const names = Object.keys((await test.admin.liveness()).subsystems);
    for (const name of names) test.platform.supervisor.wake(name);
    const untold = async () =>
      Object.values((await test.admin.liveness()).subsystems).filter((loop) => loop.last_success_at === null);
    await expect.poll(untold).toEqual([]);
    expect(await test.admin.health()).toEqual({ status: 'ok', version: '0.0.0-test' });

    clock.advance(24 * 3_600_000);
    const degraded = await test.admin.health();
    expect(degraded.status).toBe('degraded');
    // Some may have ticked by themselves in the moment since.
    expect(degraded.stale?.length).toBeGreaterThan(names.length / 2);
    const { subsystems } = await test.admin.liveness();
    const [stale = ''] = degraded.stale ?? [];
    expect(names).toContain(stale);
    for (const [name, loop] of Object.entries(subsystems)) {
      expect([name, loop.interval_s > 0, loop.why.length > 20, loop.last_error]).toEqual([name, true, true, null]);
      test.platform.supervisor.wake(name);
    }
    await expect.poll(async () => (await test.admin.health()).status).toBe('ok');
  });

  it('says what went wrong in a loop, and goes on', async () => {
    await test.db.pool.query('alter table sessions rename to hidden');
    test.platform.supervisor.wake('credential-upkeep');
    const upkeep = async () => (await test.admin.liveness()).subsystems['credential-upkeep'];
    await expect.poll(async () => (await upkeep())?.last_error ?? '').toContain('sessions');
    await test.db.pool.query('alter table hidden rename to sessions');
    test.platform.supervisor.wake('credential-upkeep');
    await expect.poll(async () => (await upkeep())?.last_error).toBeNull();
  });
});

describe('metrics', () => {
  it('are Prometheus text 0.0.4 that counts by route pattern, never by address', async () => {
    const seat = await createSeat(test);
    await test.admin.getWorkspace({ params: { id: seat.id } });
    await get(`/no/such/${seat.id}`);
    const response = await get('/metrics');
    expect(response.headers.get('content-type')).toContain('text/plain; version=0.0.4');
    const text = await response.text();
    expect(text).toMatch(/molecule_http_requests_total\{method="GET",path="\/workspaces\/:id",status="200"\} 1/);
    expect(text).toMatch(/molecule_http_requests_total\{method="GET",path="unmatched",status="404"\} 1/);
    expect(text).toMatch(
      /molecule_http_request_duration_seconds_total\{method="POST",path="\/workspaces",status="201"\}/,
    );
    for (const name of ['molecule_websocket_connections_active', 'molecule_phantom_busy_resets_total'])
      expect(text).toContain(`\n${name} 0\n`);
    expect(text).toContain('process_resident_memory_bytes');
    expect(text).not.toContain(seat.id);
  });
});

describe('what the platform says of itself', () => {
  it('is for administrators: version, store, backend, when it started', async () => {
    const info = await test.admin.platformInfo();
    expect(info).toMatchObject({
      version: '0.0.0-test',
      store: test.db.kind,
      backend: 'none',
      platform_url: test.url,
      model_keys: [],
      dev_hatch: false,
    });
    await test.admin.saveGlobalSecret({ body: { key: 'OPENAI_API_KEY', value: 'sk-x' } });
    await test.admin.saveGlobalSecret({ body: { key: 'OTHER', value: 'x' } });
    expect((await test.admin.platformInfo()).model_keys).toEqual(['OPENAI_API_KEY']);
    const seat = await createSeat(test);
    expect((await failureOf(test.client(seat.token).platformInfo())).status).toBe(401);
  });

  it('OpenAPI has every route of the contract, and the page works without a script or a remote asset', async () => {
    const document = (await (await get('/openapi.json')).json()) as {
      openapi: string;
      paths: Record<string, Record<string, { operationId: string; responses: object }>>;
    };
    expect(document.openapi).toMatch(/^3\.1/);
    for (const [name, route] of Object.entries(ROUTES)) {
      const path = toTemplate(route.path);
      expect([name, document.paths[path]?.[route.method.toLowerCase()]?.operationId]).toEqual([name, name]);
    }
    const page = await get('/docs');
    const html = await page.text();
    expect(page.headers.get('content-type')).toContain('text/html');
    expect(html).toContain('/workspaces/:id');
    expect(html).not.toMatch(/<script|(src|href)="https?:/);
  });

  it('a wrong method or path is a 404 in the common shape', async () => {
    const reply = await get('/workspaces', { method: 'PUT' });
    expect([reply.status, await reply.json()]).toEqual([
      404,
      { error: 'no route for PUT /workspaces', code: 'route_not_found' },
    ]);
    expect((await get('/health', { method: 'HEAD' })).status).toBe(200);
  });
});

describe('the rate limit', () => {
  it('10.93 100 agents beating and polling from one address → no 429; 601 anonymous calls or random bearers → 429', async () => {
    const limited = await startPlatform({ env: { RATE_LIMIT: '600' } });
    try {
      const seats = await Promise.all(Array.from({ length: 100 }, () => createSeat(limited)));
      const beatAndPoll = async ({ id, token }: { id: string; token: string }) => {
        const client = limited.client(token);
        await client.heartbeat({ body: { workspace_id: id } as never });
        await client.listActivity({ params: { id } });
      };
      for (let round = 0; round < 2; round += 1) await Promise.all(seats.map(beatAndPoll));

      const statuses = await Promise.all(
        Array.from({ length: 601 }, async (_, index) => {
          const headers = index % 2 ? { authorization: `Bearer random-${index}` } : {};
          const reply = await fetch(`${limited.url}/workspaces`, { headers: headers as Record<string, string> });
          await reply.arrayBuffer();
          return reply.status;
        }),
      );
      expect(new Set(statuses)).toEqual(new Set([401, 429]));
      // The address is spent, and the agents behind it are not.
      await Promise.all(seats.map(beatAndPoll));
    } finally {
      await limited.stop();
    }
  }, 60_000);
});
