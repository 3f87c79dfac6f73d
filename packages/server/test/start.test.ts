// Starts that succeed, and their ends: the real process, from the first start on an empty folder to the next on its data.

import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@molecule/contract';
import { openDatabase } from '@molecule/server/platform/db/index';
import { createLog } from '@molecule/server/platform/log';
import { chosenStore, createDataDir, signalProcess } from '@molecule/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { findFreePort, recordedPid } from './platform-process.ts';
import { isAlive } from './process-seats.ts';
import { MAIN, runToEnd, type Serving, startServing } from './start-process.ts';

const folders: string[] = [];
const running: Serving[] = [];
afterEach(async () => {
  for (const one of running.splice(0)) {
    one.signal('SIGKILL');
    await one.ended;
  }
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

async function serve(env: Record<string, string>, cwd = tmpdir()): Promise<Serving> {
  const one = await startServing(env, cwd);
  running.push(one);
  return one;
}

async function stop(one: Serving, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  one.signal(signal);
  expect(await one.ended).toBe(0);
}

const linkOf = ({ greeting, url }: Serving): string =>
  new RegExp(`^ {2}(${url}/login\\?code=\\S+)$`, 'm').exec(greeting)?.[1] ?? '';

function exchange(link: string, url: string): Promise<Response> {
  return fetch(`${url}/auth/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ code: new URL(link).searchParams.get('code') }),
  });
}

/** Local addresses that listen on the port, as Linux lists them: 127.0.0.1 is 0100007F. */
function listenersOn(port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return ['/proc/net/tcp', '/proc/net/tcp6'].filter(existsSync).flatMap((table) =>
    readFileSync(table, 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter(([, local, , state]) => local?.endsWith(suffix) && state === '0A')
      .map(([, local]) => local?.split(':')[0] ?? ''),
  );
}

async function query(dataDir: string, statement: string): Promise<Record<string, unknown>[]> {
  const db = await openDatabase({ url: null, dataDir, log: createLog('silent') });
  try {
    return (await db.pool.query(statement)).rows;
  } finally {
    await db.close();
  }
}

describe.skipIf(chosenStore() === 'postgres')('the first start', () => {
  it('10.82 listens on loopback, keeps its secrets to the owner, and signs in once by its link; an open door is refused', {
    timeout: 120_000,
  }, async () => {
    const home = mkdtempSync(join(tmpdir(), 'molecule-first-'));
    folders.push(home);
    const port = await findFreePort();
    const env = { PORT: String(port) };
    const first = await serve(env, home);
    const dataDir = join(home, '.molecule');
    expect(first.url).toBe(`http://127.0.0.1:${port}`);
    expect(first.greeting).toMatch(/\(ready in \d+ ms\)/);
    if (existsSync('/proc/net/tcp')) expect(listenersOn(port)).toEqual(['0100007F']);
    for (const name of ['admin-token', 'secrets-key', 'owner.json'])
      expect([name, statSync(join(dataDir, name)).mode & 0o777]).toEqual([name, 0o600]);
    expect(statSync(dataDir).mode & 0o777).toBe(0o700);

    const signedIn = await exchange(linkOf(first), first.url);
    expect(signedIn.status).toBe(200);
    const cookie = signedIn.headers.get('set-cookie')?.split(';')[0] ?? '';
    expect((await fetch(`${first.url}/workspaces`, { headers: { cookie } })).status).toBe(200);
    expect((await exchange(linkOf(first), first.url)).status).toBe(401);
    await stop(first);

    // The second start knows the first one's sessions, and prints a link of its own, which we let expire.
    const second = await serve(env, home);
    expect((await fetch(`${second.url}/workspaces`, { headers: { cookie } })).status).toBe(200);
    await stop(second);
    await query(dataDir, "update sign_in_codes set expires_at = now() - interval '1 second'");
    const third = await serve(env, home);
    expect((await exchange(linkOf(second), third.url)).status).toBe(401);
    expect((await exchange(linkOf(third), third.url)).status).toBe(200);
    await stop(third);

    const open = await runToEnd([MAIN], { PORT: '0', HOST: '0.0.0.0', MOLECULE_DATA_DIR: dataDir });
    expect([open.code, open.said[0]]).toEqual([1, expect.stringContaining('so ADMIN_TOKEN must be set')]);
    const hatch = await runToEnd([MAIN], {
      PORT: '0',
      HOST: '0.0.0.0',
      MOLECULE_ENV: 'dev',
      MOLECULE_DATA_DIR: dataDir,
    });
    expect([hatch.code, hatch.said[0]]).toEqual([1, expect.stringContaining('may not listen on 0.0.0.0')]);
  });
});

describe.skipIf(chosenStore() === 'postgres')('the next start', () => {
  it('10.78 applies no migration again and knows every token; production without a key or a token refuses to start', {
    timeout: 60_000,
  }, async () => {
    const dataDir = await createDataDir();
    folders.push(dataDir);
    const env = { PORT: '0', MOLECULE_DATA_DIR: dataDir, MOLECULE_PROVISIONER: 'none' };
    const adminToken = () => readFileSync(join(dataDir, 'admin-token'), 'utf8');
    const applied = () => query(dataDir, 'select * from schema_migrations order by filename');
    const before = await applied();
    expect(before.length).toBeGreaterThan(0);

    const first = await serve(env);
    const admin = createClient({ baseUrl: first.url, token: adminToken() });
    const { id } = await admin.createWorkspace({ body: { name: 'Seat', runtime: 'echo' } });
    const { auth_token: own } = await admin.createToken({ params: { id } });
    const { auth_token: organisation } = await admin.createOrgToken({ body: { name: 'deploy' } });
    const token = adminToken();
    await stop(first);

    const second = await serve(env);
    expect(adminToken()).toBe(token);
    const as = (bearer: string) => createClient({ baseUrl: second.url, token: bearer });
    expect((await as(token).listWorkspaces()).map((row) => row.id)).toEqual([id]);
    expect((await as(organisation).listWorkspaces()).map((row) => row.id)).toEqual([id]);
    expect(await as(own).getWorkspace({ params: { id } })).toMatchObject({ name: 'Seat' });
    await stop(second);
    expect(await applied()).toEqual(before);

    const production = { ...env, MOLECULE_ENV: 'production' };
    const noToken = await runToEnd([MAIN], { ...production, SECRETS_ENCRYPTION_KEY: 'k'.repeat(32) });
    expect([noToken.code, noToken.said[0]]).toEqual([1, 'molecule: Production needs ADMIN_TOKEN']);
    const noKey = await runToEnd([MAIN], { ...production, ADMIN_TOKEN: 'a'.repeat(32) });
    expect([noKey.code, noKey.said[0]]).toEqual([
      1,
      'molecule: Production needs SECRETS_ENCRYPTION_KEY (32 bytes, raw or base64)',
    ]);
  });
});

describe.skipIf(chosenStore() === 'postgres')('a signal', () => {
  /** A platform with one online seat, and an event stream of it that never ends. */
  async function serveSeat() {
    const dataDir = await createDataDir();
    folders.push(dataDir);
    const one = await serve({ PORT: '0', MOLECULE_DATA_DIR: dataDir });
    const admin = createClient({ baseUrl: one.url, token: readFileSync(join(dataDir, 'admin-token'), 'utf8') });
    const { id } = await admin.createWorkspace({ body: { name: 'Seat', runtime: 'echo' } });
    await expect
      .poll(async () => (await admin.getWorkspace({ params: { id } })).status, { timeout: 30_000 })
      .toBe('online');
    const events = await admin.raw('GET', `/workspaces/${id}/events/stream`, { timeoutMs: 60_000 });
    return { one, admin, id, pid: recordedPid(dataDir, id) as number, reading: events.text() };
  }

  it.each(['SIGINT', 'SIGHUP'] as const)(
    '%s stops it at once, with its agents and open streams',
    {
      timeout: 60_000,
    },
    async (signal) => {
      const { one, pid, reading } = await serveSeat();
      const asked = performance.now();
      await stop(one, signal);
      expect(performance.now() - asked).toBeLessThan(10_000);
      expect(isAlive(pid)).toBe(false);
      await reading;
    },
  );

  it('SIGTERM gives a turn a few seconds, then tells its caller; a second signal within the moment is the same one', {
    timeout: 60_000,
  }, async () => {
    const { one, admin, id, pid, reading } = await serveSeat();
    const parts = [{ kind: 'text', text: '[[echo: delay 3600s]]' }];
    const message = { role: 'user', messageId: 'endless', parts };
    const call = admin.raw('POST', `/workspaces/${id}/a2a`, {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'message/send', params: { message } }),
      timeoutMs: 60_000,
    });
    await expect
      .poll(async () => (await admin.listWorkspaces())[0]?.active_tasks, { timeout: 20_000 })
      .toBeGreaterThan(0);
    const asked = performance.now();
    one.signal('SIGTERM');
    await stop(one, 'SIGTERM');
    // The agent's turn is given eight seconds, the agent ten.
    expect(performance.now() - asked).toBeLessThan(20_000);
    expect(isAlive(pid)).toBe(false);
    expect((await call).status).toBeGreaterThan(200);
    await reading;
  });

  it('during the first start ends it at once, and the next start begins anew', { timeout: 60_000 }, async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'molecule-interrupted-'));
    folders.push(dataDir);
    const env = { PORT: '0', MOLECULE_DATA_DIR: dataDir, MOLECULE_PROVISIONER: 'none' };
    const interrupted = startServing(env, tmpdir()).catch((error: Error) => error.message);
    await expect.poll(() => existsSync(join(dataDir, 'owner.json')), { timeout: 20_000, interval: 5 }).toBe(true);
    const { pid } = JSON.parse(readFileSync(join(dataDir, 'owner.json'), 'utf8')) as { pid: number };
    signalProcess(pid, 'SIGINT');
    expect(await interrupted).toMatch(/^the start ended with 0:/);
    const next = await serve(env);
    expect(linkOf(next)).not.toBe('');
    await stop(next);
  });
});
