// The console of a machine, the word of whoever watched it boot, and what the control plane says at the platform's own boot
// (chapter 10 §2.1, §7.6).

import { answerStatus, breakOff, failureOf, startControlPlane, startPlatform } from '@molecule/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createKeptStore } from '../../test/kept-store.ts';
import { type MachineSeats, SHARED_SECRET, startMachineSeats } from '../../test/machine-seats.ts';
import { findFreePort, startPlatformProcess } from '../../test/platform-process.ts';
import { readConfig } from '../config.ts';
import { createLog } from '../platform/log.ts';
import { applyTenantConfig } from '../tenant-config.ts';

const ADMIN_API = 'admin-api-token-0123456789';
const UNKNOWN = '00000000-0000-4000-8000-000000000001';
let seats: MachineSeats;

beforeAll(async () => {
  seats = await startMachineSeats(
    { env: { CP_ADMIN_API_TOKEN: ADMIN_API } },
    { sharedSecret: SHARED_SECRET, adminApiToken: ADMIN_API },
  );
});
afterAll(async () => {
  await seats?.stop();
});

// Several whole platforms, on a machine that may be busy.
describe('the console of a machine', { timeout: 60_000 }, () => {
  it('10.64 comes with the admin token of the control plane, else the shared secret; a refusal is 502, no control plane 501', async () => {
    const id = await seats.createOnline({ secrets: { A_KEY: 'printed-by-mistake' } });
    await seats.untilRecorded(id);
    seats.controlPlane.consoleOutput = 'boot: A_KEY=printed-by-mistake\n';
    expect(await seats.admin.getConsole({ params: { id } })).toEqual({ output: 'boot: A_KEY=[redacted]\n' });
    expect(seats.controlPlane.of('console')[0]?.headers.authorization).toBe(`Bearer ${ADMIN_API}`);
    // Both headers at a start.
    expect(seats.controlPlane.of('provision')[0]?.headers).toMatchObject({
      authorization: `Bearer ${SHARED_SECRET}`,
      'x-molecule-admin-token': seats.adminToken,
    });
    for (const fault of [answerStatus(401, { error: 'ami-0abc' }), answerStatus(200, 'not json'), breakOff]) {
      seats.controlPlane.fail('console', fault);
      const failure = await failureOf(seats.admin.getConsole({ params: { id } }));
      expect([failure.status, failure.code]).toEqual([502, 'console_failed']);
      expect(JSON.stringify(failure.body)).not.toContain('ami-0abc');
    }
    seats.controlPlane.fail('console', null);
    seats.controlPlane.fail('provision', answerStatus(500));
    const without = await seats.create();
    await seats.until(without, 'failed');
    seats.controlPlane.fail('provision', null);
    for (const other of [UNKNOWN, without]) {
      const failure = await failureOf(seats.admin.getConsole({ params: { id: other } }));
      expect([failure.status, failure.code]).toEqual([404, 'not_found']);
    }

    const secondSecret = 'second-secret-0123456789';
    const older = await startMachineSeats(
      { env: { MOLECULE_CP_SHARED_SECRET: '', PROVISION_SHARED_SECRET: secondSecret } },
      { sharedSecret: secondSecret, adminApiToken: secondSecret },
    );
    const seat = await older.createOnline();
    await older.untilRecorded(seat);
    expect(await older.admin.getConsole({ params: { id: seat } })).toEqual({ output: 'booting\nready\n' });
    await older.stop();

    const open = await startMachineSeats(
      { env: { MOLECULE_CP_SHARED_SECRET: '', ADMIN_TOKEN: '', RATE_LIMIT: '' } },
      { sharedSecret: null, adminApiToken: null },
    );
    await open.createOnline();
    const [request] = open.controlPlane.of('provision');
    expect(request?.headers).not.toHaveProperty('authorization');
    expect(request?.headers).not.toHaveProperty('x-molecule-admin-token');
    await open.stop();

    const none = await startPlatform();
    const { id: seatWithout } = await none.admin.createWorkspace({ body: { name: 'Seat', runtime: 'echo' } });
    const failure = await failureOf(none.admin.getConsole({ params: { id: seatWithout } }));
    expect([failure.status, failure.code]).toEqual([501, 'no_console']);
    await none.stop();
  });
});

describe('a machine that did not come up', () => {
  it('10.71 while starting → failed, with the end of its log; at any other time nothing changes and nothing is told', async () => {
    seats.silenceAgents(true);
    const id = await seats.create({ secrets: { A_KEY: 'printed-by-mistake' } });
    await seats.untilRecorded(id);
    // 20 KB and more of two-byte characters, so that a cut in the middle of one would show.
    const log = `x${'ü'.repeat(10_200)}A_KEY=printed-by-mistake`;
    const report = (body: { error?: string; log_tail?: string }) =>
      seats.admin.bootstrapFailed({ params: { id }, body });
    expect(await report({ error: ' the disk is full ', log_tail: log })).toEqual({ ok: true });
    expect(await seats.row(id)).toMatchObject({ status: 'failed', last_sample_error: 'the disk is full' });
    const [event] = await seats.untilNamed(id, 'WORKSPACE_PROVISION_FAILED');
    expect(event?.payload).toMatchObject({ error: 'the disk is full', source: 'bootstrap_watcher' });
    const { log_tail: tail } = { log_tail: '', ...(event?.payload as { log_tail?: string }) };
    expect(tail).toMatch(/^ü+A_KEY=\[redacted\]$/);
    expect(Buffer.byteLength(tail)).toBeGreaterThan(8192 - 2);
    expect(Buffer.byteLength(tail)).toBeLessThanOrEqual(8192);

    expect(await report({ error: 'again' })).toEqual({ ok: true, no_change: true });
    seats.silenceAgents(false);
    const online = await seats.createOnline();
    expect(await seats.admin.bootstrapFailed({ params: { id: online }, body: { error: 'late' } })).toEqual({
      ok: true,
      no_change: true,
    });
    const failure = await failureOf(seats.admin.bootstrapFailed({ params: { id: UNKNOWN }, body: {} }));
    expect([failure.status, failure.code]).toEqual([404, 'not_found']);
    await seats.platform.events.catchUp();
    expect(seats.named(id, 'WORKSPACE_PROVISION_FAILED')).toHaveLength(1);
    expect(seats.named(online, 'WORKSPACE_PROVISION_FAILED')).toEqual([]);
    expect((await seats.row(online)).status).toBe('online');
  });

  it('a blank error has a default, a long one is cut between two characters', async () => {
    seats.silenceAgents(true);
    const blank = await seats.create();
    await seats.admin.bootstrapFailed({ params: { id: blank }, body: { error: '  ' } });
    expect((await seats.row(blank)).last_sample_error).toBe('the machine did not come up, and no reason was given');
    const long = await seats.create();
    await seats.admin.bootstrapFailed({ params: { id: long }, body: { error: `x${'ü'.repeat(9_000)}` } });
    expect((await seats.row(long)).last_sample_error).toBe(`x${'ü'.repeat(4_095)}`);
    seats.silenceAgents(false);
  });
});

describe('the settings of the tenant', { timeout: 60_000 }, () => {
  const silent = createLog('silent');

  it('few names are taken, and no answer keeps the platform from starting', async () => {
    const server = await startControlPlane();
    const env = { PATH: '/bin', MOLECULE_ORG_ID: 'acme', ADMIN_TOKEN: 'identity', MOLECULE_CP_URL: server.url };
    const config = readConfig(env);
    server.tenantConfig = {
      MOLECULE_CP_SHARED_SECRET: 'rotated',
      MOLECULE_CP_URL: 'https://next.example',
      CP_ADMIN_API_TOKEN: 'x'.repeat(4097),
      CP_UPSTREAM_URL: 7,
      MOLECULE_ORG_SLUG: 'acme-inc',
      ADMIN_TOKEN: 'another',
      DATABASE_URL: 'postgres://elsewhere',
    };
    const applied = await applyTenantConfig(config, env, silent);
    expect(applied).toEqual({
      ...config,
      cpSharedSecret: 'rotated',
      cpAdminApiToken: 'rotated',
      cpProvisionUrl: 'https://next.example',
      orgSlug: 'acme-inc',
    });
    expect(server.of('config')[0]?.headers).toMatchObject({
      authorization: 'Bearer identity',
      'x-molecule-org-id': 'acme',
    });
    for (const fault of [
      answerStatus(500),
      answerStatus(200, 'not json'),
      answerStatus(200, '[1]'),
      answerStatus(200, { MOLECULE_ORG_SLUG: 'x'.repeat(70_000) }),
      answerStatus(200, { MOLECULE_CP_URL: 'ftp://not.http' }),
      breakOff,
    ]) {
      server.fail('config', fault);
      expect(await applyTenantConfig(config, env, silent)).toBe(config);
    }
    await server.stop();
    expect(await applyTenantConfig(config, env, silent)).toBe(config);
    const own = readConfig({ PATH: '/bin' });
    expect(await applyTenantConfig(own, undefined, silent)).toBe(own);
  });

  it('a rotated secret counts from the next start of the platform', async () => {
    const server = await startControlPlane({ sharedSecret: 'rotated-secret' });
    server.tenantConfig = { MOLECULE_CP_SHARED_SECRET: 'rotated-secret' };
    const cleanups: (() => Promise<unknown>)[] = [];
    const store = await createKeptStore((clean) => cleanups.push(clean));
    const platform = await startPlatformProcess({
      PORT: String(await findFreePort()),
      MOLECULE_DATA_DIR: store.dataDir,
      MOLECULE_PROVISIONER: 'control-plane',
      MOLECULE_ORG_ID: 'acme',
      MOLECULE_CP_URL: server.url,
      MOLECULE_CP_SHARED_SECRET: 'outdated-secret',
      ...store.env,
    });
    const { status } = await platform.admin.raw('POST', '/workspaces', {
      headers: { 'content-type': 'application/json', 'x-molecule-org-id': 'acme' },
      body: JSON.stringify({ name: 'Seat', runtime: 'echo' }),
    });
    expect(status).toBe(201);
    const [request] = await server.waitFor('provision', 1);
    expect(request?.headers.authorization).toBe('Bearer rotated-secret');
    expect(platform.output()).not.toContain('rotated-secret');
    await platform.end('SIGTERM');
    await server.stop();
    for (const clean of cleanups.reverse()) await clean();
  });
});
