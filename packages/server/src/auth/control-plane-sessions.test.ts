import {
  createManualClock,
  createSeat,
  type ManualClock,
  type Peer,
  startPeer,
  startPlatform,
  type TestPlatform,
} from '@molecule/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readConfig } from '../config.ts';
import { createLog } from '../platform/log.ts';
import { createControlPlaneSessions } from './control-plane-sessions.ts';

let controlPlane: Peer;
let clock: ManualClock;
let test: TestPlatform;
const members = new Map<string, unknown>();

beforeAll(async () => {
  controlPlane = await startPeer((call, response) => {
    const cookie = call.headers.cookie ?? '';
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(members.get(cookie) ?? { member: false }));
  });
  clock = createManualClock();
  test = await startPlatform({ clock, env: { CP_UPSTREAM_URL: controlPlane.url, MOLECULE_ORG_SLUG: 'ac me' } });
});
beforeEach(() => {
  members.clear();
  controlPlane.calls.length = 0;
});
afterAll(async () => {
  await test?.stop();
  await controlPlane?.stop();
});

const list = (headers: Record<string, string>) => fetch(`${test.url}/workspaces`, { headers });
const withCookie = async (cookie: string) => (await list({ cookie })).status;

describe('a session of the control plane', () => {
  it('is an administrator while the control plane says member and names the user', async () => {
    members.set('cp=good', { member: true, user_id: 'u1' });
    members.set('cp=nobody', { member: true, user_id: '' });
    members.set('cp=unnamed', { member: true });
    members.set('cp=guest', { member: false, user_id: 'u2' });
    expect(await withCookie('cp=good')).toBe(200);
    for (const cookie of ['cp=nobody', 'cp=unnamed', 'cp=guest', 'cp=unknown'])
      expect([cookie, await withCookie(cookie)]).toEqual([cookie, 401]);
    expect(controlPlane.calls[0]?.path).toBe('/cp/auth/tenant-member?slug=ac%20me');
    const session = await fetch(`${test.url}/auth/session`, { headers: { cookie: 'cp=good' } });
    expect(await session.json()).toEqual({ principal: 'session', expires_at: null });
    const minted = await fetch(`${test.url}/org/tokens`, {
      method: 'POST',
      headers: { cookie: 'cp=good', 'content-type': 'application/json' },
      body: '{}',
    });
    expect(minted.status).toBe(200);
    expect((await test.admin.listOrgTokens()).tokens[0]?.created_by).toBe('session');
  });

  it('writes for no foreign page, and never learns the session of this platform', async () => {
    members.set('cp=good', { member: true, user_id: 'u1' });
    const write = (origin: string) =>
      fetch(`${test.url}/auth/sign-in-links`, { method: 'POST', headers: { cookie: 'cp=good', origin } });
    expect((await write('https://evil.example')).status).toBe(403);
    expect((await write(test.url)).status).toBe(201);
    expect(await withCookie('molecule_session=invalid; cp=good')).toBe(200);
    expect(await withCookie('molecule_session=invalid')).toBe(401);
    for (const call of controlPlane.calls) expect(call.headers.cookie).toBe('cp=good');
  });

  it('is asked for once in 30 seconds, a stranger once in 5, also when many ask at once', async () => {
    members.set('cp=kept', { member: true, user_id: 'u1' });
    expect(await Promise.all(Array.from({ length: 8 }, () => withCookie('cp=kept')))).toEqual(Array(8).fill(200));
    expect(controlPlane.calls).toHaveLength(1);
    members.clear();
    clock.advance(29_999);
    expect(await withCookie('cp=kept')).toBe(200);
    clock.advance(1);
    expect(await withCookie('cp=kept')).toBe(401);
    expect(controlPlane.calls).toHaveLength(2);
    members.set('cp=kept', { member: true, user_id: 'u1' });
    clock.advance(4_999);
    expect(await withCookie('cp=kept')).toBe(401);
    clock.advance(1);
    expect(await withCookie('cp=kept')).toBe(200);
    expect(controlPlane.calls).toHaveLength(3);
  });

  it('a bad cookie, or a control plane that is down, does not block a good bearer', async () => {
    const seat = await createSeat(test);
    const authorization = `Bearer ${seat.token}`;
    const read = (cookie: string) => fetch(`${test.url}/workspaces/${seat.id}`, { headers: { cookie, authorization } });
    expect((await read('cp=bad')).status).toBe(200);
    expect((await list({ cookie: 'cp=bad', authorization: `Bearer ${test.adminToken}` })).status).toBe(200);
    expect(controlPlane.calls).toHaveLength(0);
  });

  it('cannot be had without a slug or an address', async () => {
    members.set('cp=good', { member: true, user_id: 'u1' });
    const bare = await startPlatform({
      db: test.db,
      dataDir: test.dataDir,
      env: { CP_UPSTREAM_URL: controlPlane.url },
    });
    try {
      expect((await fetch(`${bare.url}/workspaces`, { headers: { cookie: 'cp=good' } })).status).toBe(401);
      expect(controlPlane.calls).toHaveLength(0);
    } finally {
      await bare.stop();
    }
  });
});

describe('answers that are none', () => {
  const configOf = (url: string) => readConfig({ PATH: '/bin', CP_UPSTREAM_URL: url, MOLECULE_ORG_SLUG: 'acme' });

  it('are never remembered: a failure, nonsense, an endless answer and silence are 503, and the next good answer counts', async () => {
    const broken = await startPeer((_call, response) => void response.writeHead(502).end('<html>'));
    const sessions = createControlPlaneSessions({ config: configOf(broken.url), clock, log: createLog('silent') });
    try {
      const isUnknown = async () =>
        await sessions.isMember('cp=x').then(
          (answer) => answer,
          (error: { code: string; status: number }) => [error.code, error.status],
        );
      const unknown = ['platform_unavailable', 503];
      expect(await isUnknown()).toEqual(unknown);
      broken.respond((_call, response) => void response.end('not json'));
      expect(await isUnknown()).toEqual(unknown);
      broken.respond(
        (_call, response) => void response.end(JSON.stringify({ member: true, user_id: 'u', x: 'x'.repeat(70_000) })),
      );
      expect(await isUnknown()).toEqual(unknown);
      broken.respond(() => {});
      const startedAt = performance.now();
      expect(await isUnknown()).toEqual(unknown);
      expect(performance.now() - startedAt).toBeGreaterThan(2_900);
      expect(performance.now() - startedAt).toBeLessThan(4_500);
      broken.respond((_call, response) => void response.writeHead(302, { location: `${controlPlane.url}/` }).end());
      expect(await sessions.isMember('cp=redirected')).toBe(false);
      broken.respond((_call, response) => void response.end('{"member":true,"user_id":"u1"}'));
      expect(await isUnknown()).toBe(true);
      expect(controlPlane.calls).toHaveLength(0);
    } finally {
      await sessions.close();
      await broken.stop();
    }
  });

  it('of 10 000 cookies are kept, the oldest goes first, and the upkeep drops what has expired', async () => {
    const busy = await startPeer((_call, response) => void response.end('{"member":true,"user_id":"u1"}'));
    const sessions = createControlPlaneSessions({ config: configOf(busy.url), clock, log: createLog('silent') });
    try {
      const cookies = Array.from({ length: 10_001 }, (_, index) => `cp=${index}`);
      for (let at = 0; at < cookies.length; at += 100)
        await Promise.all(cookies.slice(at, at + 100).map((cookie) => sessions.isMember(cookie)));
      expect(busy.calls).toHaveLength(10_001);
      await sessions.isMember('cp=10000');
      expect(busy.calls).toHaveLength(10_001);
      await sessions.isMember('cp=0');
      expect(busy.calls).toHaveLength(10_002);
      clock.advance(30_000);
      expect(sessions.evict()).toBe(10_000);
      expect(sessions.evict()).toBe(0);
    } finally {
      await sessions.close();
      await busy.stop();
    }
  });
});
