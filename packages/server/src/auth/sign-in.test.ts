import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { createClient, SESSION_COOKIE } from '@molecule/contract';
import { createSeat, failureOf, startPlatform, type TestPlatform } from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLog } from '../platform/log.ts';
import { resolveAdminToken } from './admin-token.ts';

const LISTED = 'https://canvas.example';
const EXTERNAL = 'https://molecule.example';
let test: TestPlatform;

beforeAll(async () => {
  test = await startPlatform({ env: { CORS_ORIGINS: LISTED } });
});
afterAll(async () => {
  await test?.stop();
});

const json = { 'content-type': 'application/json' };
const signIn = (body: Record<string, unknown>, on = test) =>
  fetch(`${on.url}/auth/session`, { method: 'POST', headers: json, body: JSON.stringify(body) });
const codeOf = (url: string) => new URL(url).searchParams.get('code') ?? '';

/** fetch does not let a caller choose the Host. */
function statusWithHost(url: string, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const { port } = new URL(url);
    const request = get(url, { headers: { host: `${host}:${port}`, connection: 'close' } }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on('error', reject);
  });
}

async function openSession(): Promise<string> {
  const response = await signIn({ token: test.adminToken });
  expect(response.status).toBe(200);
  return response.headers.get('set-cookie')?.split(';')[0] ?? '';
}
const call = (method: string, path: string, headers: Record<string, string> = {}, body?: unknown) =>
  fetch(test.url + path, {
    method,
    headers: body === undefined ? headers : { ...json, ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });

describe('the sign-in link', () => {
  it('opens one session and is worth nothing afterwards', async () => {
    const { url, expires_at } = await test.admin.createSignInLink();
    expect(url).toMatch(new RegExp(`^${test.url}/login\\?code=[A-Za-z0-9_-]{43}$`));
    expect(Date.parse(expires_at) - Date.now()).toBeGreaterThan(9 * 60_000);
    const [first, second] = await Promise.all([signIn({ code: codeOf(url) }), signIn({ code: codeOf(url) })]);
    expect([first.status, second.status].sort()).toEqual([200, 401]);
    expect(await (first.status === 401 ? first : second).json()).toMatchObject({ code: 'invalid_code' });
    expect((await signIn({ code: codeOf(url) })).status).toBe(401);
  });

  it('ends after ten minutes', async () => {
    const { url } = await test.admin.createSignInLink();
    await sql`update sign_in_codes set expires_at = now() - interval '1 second' where used_at is null`.execute(
      test.db.kysely,
    );
    expect((await signIn({ code: codeOf(url) })).status).toBe(401);
  });

  it('names the address people use where that is another one', async () => {
    const proxied = await startPlatform({
      db: test.db,
      dataDir: test.dataDir,
      env: { EXTERNAL_PLATFORM_URL: `${EXTERNAL}/` },
    });
    try {
      expect((await proxied.admin.createSignInLink()).url).toContain(`${EXTERNAL}/login?code=`);
    } finally {
      await proxied.stop();
    }
  });

  it('is asked for with exactly one credential, and a wrong one says so', async () => {
    for (const body of [{}, { token: 'a', code: 'b' }, { token: '' }, { code: 7 }]) {
      const response = await signIn(body);
      expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([400, 'invalid_request']);
    }
    const seat = await createSeat(test);
    for (const token of ['wrong', seat.token]) {
      const response = await signIn({ token });
      expect([response.status, response.headers.get('set-cookie')]).toEqual([401, null]);
    }
  });
});

describe('a session', () => {
  it('is an HttpOnly, SameSite=Strict cookie of twelve hours that acts as an administrator until it is ended', async () => {
    const response = await signIn({ token: test.adminToken });
    const header = response.headers.get('set-cookie') ?? '';
    expect(header).toMatch(new RegExp(`^${SESSION_COOKIE}=[A-Za-z0-9_-]{43};`));
    for (const attribute of ['HttpOnly', 'SameSite=Strict', 'Path=/']) expect(header).toContain(attribute);
    const { expires_at } = (await response.json()) as { expires_at: string };
    expect(Math.round((Date.parse(expires_at) - Date.now()) / 3_600_000)).toBe(12);
    const cookie = header.split(';')[0] ?? '';
    expect(await (await call('GET', '/auth/session', { cookie })).json()).toEqual({ principal: 'session', expires_at });
    expect((await call('GET', '/workspaces', { cookie })).status).toBe(200);
    expect((await call('DELETE', '/auth/session', { cookie })).status).toBe(200);
    expect((await call('GET', '/workspaces', { cookie })).status).toBe(401);
  });

  it('is a Secure cookie where people come by https', async () => {
    const proxied = await startPlatform({ db: test.db, dataDir: test.dataDir, env: { TRUSTED_PROXIES: '127.0.0.1' } });
    try {
      const response = await fetch(`${proxied.url}/auth/session`, {
        method: 'POST',
        headers: { ...json, 'x-forwarded-proto': 'https', 'x-forwarded-for': '198.51.100.1' },
        body: JSON.stringify({ token: proxied.adminToken }),
      });
      expect(response.headers.get('set-cookie')).toContain('Secure');
      expect((await signIn({ token: test.adminToken })).headers.get('set-cookie')).not.toContain('Secure');
    } finally {
      await proxied.stop();
    }
  });

  it('ends by itself, and the upkeep clears it away', async () => {
    const cookie = await openSession();
    await sql`update sessions set expires_at = now() - interval '1 second'`.execute(test.db.kysely);
    expect((await call('GET', '/workspaces', { cookie })).status).toBe(401);
    const upkeep = test.platform.auth.loops.find((loop) => loop.name === 'credential-upkeep');
    await upkeep?.run(AbortSignal.timeout(5_000));
    expect(await test.db.kysely.selectFrom('sessions').select('id').execute()).toEqual([]);
  });

  it('writes for pages of our own origin and the listed ones, for a foreign page it changes nothing', async () => {
    const cookie = await openSession();
    const { id } = await createSeat(test, { name: 'before' });
    for (const origin of ['https://evil.example', 'null', `${test.url}.evil.example`, 'http://localhost:3000']) {
      const refused = await call('PATCH', `/workspaces/${id}`, { cookie, origin }, { name: 'changed' });
      expect([refused.status, ((await refused.json()) as { code: string }).code]).toEqual([403, 'origin_refused']);
      expect((await call('DELETE', `/workspaces/${id}`, { cookie, origin })).status).toBe(403);
      expect(
        (await call('GET', '/workspaces', { cookie, origin })).headers.get('access-control-allow-origin'),
      ).toBeNull();
    }
    expect((await test.admin.getWorkspace({ params: { id } })).name).toBe('before');
    for (const [index, origin] of [test.url, LISTED].entries())
      expect((await call('PATCH', `/workspaces/${id}`, { cookie, origin }, { name: `by ${index}` })).status).toBe(200);
    // A script without an origin has no ambient cookie; a bearer is never ambient.
    expect((await call('PATCH', `/workspaces/${id}`, { cookie }, { name: 'script' })).status).toBe(200);
    const authorization = `Bearer ${test.adminToken}`;
    expect(
      (await call('PATCH', `/workspaces/${id}`, { authorization, origin: 'https://evil.example' }, { name: 'x' }))
        .status,
    ).toBe(200);
  });

  it('a bad cookie does not block a good bearer, and a good cookie does not save a bad bearer', async () => {
    const cookie = await openSession();
    const bad = `${SESSION_COOKIE}=garbage`;
    expect((await call('GET', '/workspaces', { cookie: bad, authorization: `Bearer ${test.adminToken}` })).status).toBe(
      200,
    );
    expect((await call('GET', '/workspaces', { cookie: bad })).status).toBe(401);
    for (const authorization of ['Bearer wrong', 'Basic YWRtaW46', 'Bearer', 'Bearer a b'])
      expect((await call('GET', '/workspaces', { cookie, authorization })).status).toBe(401);
  });
});

describe('without a credential', () => {
  it('10.30 a Referer or Origin of the platform itself opens nothing', async () => {
    const { id } = await createSeat(test);
    const host = new URL(test.url).host;
    for (const path of ['/workspaces', `/workspaces/${id}`, `/workspaces/${id}/secrets`, `/registry/${id}/peers`]) {
      const disguises: Record<string, string>[] = [
        { referer: `https://${host}/` },
        { referer: `${test.url}/` },
        { referer: `${test.url}/`, origin: test.url, 'sec-fetch-site': 'same-origin' },
      ];
      for (const headers of disguises) expect([path, (await call('GET', path, headers)).status]).toEqual([path, 401]);
    }
  });

  it('the camera is saved for a listed origin, never together with a bad bearer', async () => {
    const view = { x: 1, y: 2, zoom: 1.5 };
    const put = async (headers: Record<string, string>) =>
      (await call('PUT', '/canvas/viewport', headers, view)).status;
    expect(await put({})).toBe(401);
    expect(await put({ origin: 'https://evil.example' })).toBe(401);
    expect(await put({ origin: LISTED, authorization: 'Bearer wrong' })).toBe(401);
    expect(await test.admin.getViewport()).toEqual({ x: 0, y: 0, zoom: 1 });
    expect(await put({ origin: LISTED })).toBe(200);
    expect(await (await call('GET', '/canvas/viewport')).json()).toEqual(view);
  });

  it('the dev hatch lets a bearer-less caller act, but no foreign page write and no invalid bearer pass', async () => {
    const hatch = await startPlatform({
      db: test.db,
      dataDir: test.dataDir,
      env: { ADMIN_TOKEN: '', MOLECULE_ENV: 'development' },
    });
    try {
      const anyone = createClient({ baseUrl: hatch.url });
      expect((await anyone.getSession()).principal).toBe('dev-hatch');
      expect((await failureOf(createClient({ baseUrl: hatch.url, token: 'wrong' }).listWorkspaces())).status).toBe(401);
      const foreign = await fetch(`${hatch.url}/workspaces`, {
        method: 'POST',
        headers: { ...json, origin: 'https://evil.example' },
        body: JSON.stringify({ name: 'planted', external: true }),
      });
      expect(foreign.status).toBe(403);
      // A page whose name was made to point here is of this origin to the browser; the name gives it away.
      for (const [host, status] of [
        ['rebound.example', 401],
        ['127.0.0.1.rebound.example', 401],
        ['localhost', 200],
        ['127.0.0.1', 200],
        ['[::1]', 200],
      ] as const)
        expect([host, await statusWithHost(`${hatch.url}/workspaces`, host)]).toEqual([host, status]);
      expect((await anyone.listWorkspaces()).map((row) => row.name)).not.toContain('planted');
      expect((await anyone.createWorkspace({ body: { name: 'local', external: true } })).external).toBe(true);
    } finally {
      await hatch.stop();
    }
  });
});

describe('the generated admin token', () => {
  it('is made once, kept readable by its owner only, and never empty', async () => {
    const config = { ...test.config, adminToken: null, devHatch: false };
    const log = createLog('silent');
    const token = resolveAdminToken(config, log);
    const path = join(config.dataDir, 'admin-token');
    expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(readFileSync(path, 'utf8')).toBe(token);
    chmodSync(path, 0o644);
    expect(resolveAdminToken(config, log)).toBe(token);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    writeFileSync(path, '\n');
    expect(() => resolveAdminToken(config, log)).toThrow('is empty; remove it and start again');
  });
});
