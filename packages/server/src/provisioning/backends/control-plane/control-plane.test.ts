// The control-plane backend against a real HTTP server that plays its contract (chapter 10 §7.6); the common contract is asked of
// it like of every other.

import { answerStatus, breakOff, type ControlPlaneServer, hang, startControlPlane } from '@molecule/testkit';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { describeBackendContract } from '../../../../test/backend-contract.ts';
import { createLog } from '../../../platform/log.ts';
import { type Backend, StartBrokenOffError, StartRefusedError, type WorkloadSpec } from '../../backend.ts';
import type { MachineDebt } from '../../debts/index.ts';
import type { ControlPlaneCredentials } from './client.ts';
import { createControlPlaneBackend } from './control-plane.ts';

const ID = '6b9b6a3e-6a51-4d8c-9f7b-0a5e6a3d1c11';
const SHARED = 'shared-secret-0123456789';
const ADMIN_API = 'admin-api-token-0123456789';
const IDENTITY = 'identity-of-the-platform-0123456789';
const PLATFORM = 'https://platform.example';

interface Stage {
  backend: Backend;
  server: ControlPlaneServer;
  /** What the rows hold: workspace → machine. */
  rows: Map<string, string>;
  /** Machines that are still to be ended. */
  debts: Map<string, MachineDebt>;
  lines: Record<string, unknown>[];
  spec(changes?: Partial<WorkloadSpec>): WorkloadSpec;
}

const servers: ControlPlaneServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

async function open(
  credentials: Partial<ControlPlaneCredentials> = {},
  expected: Parameters<typeof startControlPlane>[0] = { sharedSecret: SHARED, adminApiToken: ADMIN_API },
): Promise<Stage> {
  const server = await startControlPlane(expected);
  servers.push(server);
  const rows = new Map<string, string>();
  const debts = new Map<string, MachineDebt>();
  const lines: Record<string, unknown>[] = [];
  const backend = createControlPlaneBackend({
    credentials: {
      baseUrl: server.url,
      orgId: 'acme',
      sharedSecret: SHARED,
      adminApiToken: ADMIN_API,
      adminToken: IDENTITY,
      ...credentials,
    },
    imagePrefix: 'molecule/workspace-',
    platformUrl: () => PLATFORM,
    instances: {
      find: async (id) => rows.get(id) ?? null,
      clear: async (id, instanceId) => void (rows.get(id) === instanceId && rows.delete(id)),
      list: async () => [...rows.keys()],
    },
    debts: {
      owe: async (key, workspaceId) => void debts.set(key, { key, workspaceId, instanceId: null }),
      makeDue: async () => {},
      learn: async (key, instanceId) => void Object.assign(debts.get(key) ?? {}, { instanceId }),
      pay: async (key) => void debts.delete(key),
      of: async (id) => [...debts.values()].filter(({ workspaceId }) => workspaceId === id),
      due: async () => [...debts.values()],
    },
    log: createLog('debug', { write: (line: string) => lines.push(JSON.parse(line)) }),
  });
  const spec = (changes: Partial<WorkloadSpec> = {}): WorkloadSpec => ({
    id: ID,
    name: 'Seat',
    runtime: 'echo',
    tier: 3,
    workspaceDir: null,
    workspaceAccess: 'none',
    imageDigest: null,
    env: { PARENT_ID: 'p', KEY: 'value' },
    files: {},
    authToken: null,
    inboundSecret: 'the-secret',
    resetSession: false,
    publish: async () => {},
    record: async ({ instanceId, requestKey }) => {
      rows.set(changes.id ?? ID, instanceId ?? '');
      debts.delete(requestKey ?? '');
    },
    ...changes,
  });
  return { backend, server, rows, debts, lines, spec };
}

const textOf = (stage: Stage) => JSON.stringify(stage.lines);

describeBackendContract('control-plane', async () => {
  const { backend, server, spec } = await open();
  return {
    backend,
    exits: [],
    spec,
    async cutOff() {
      for (const call of ['status', 'stop', 'provision'] as const) server.fail(call, breakOff);
    },
    close: () => backend.shutdown(),
  };
});

describe('starting a machine', () => {
  it('sends who asks and what for, and tells of the machine it got', async () => {
    const stage = await open();
    await stage.backend.start(stage.spec());
    const [request] = stage.server.of('provision');
    expect(request?.body).toEqual({
      org_id: 'acme',
      workspace_id: ID,
      runtime: 'echo',
      tier: 3,
      platform_url: PLATFORM,
      env: { PARENT_ID: 'p', KEY: 'value' },
    });
    expect(request?.headers).toMatchObject({
      authorization: `Bearer ${SHARED}`,
      'x-molecule-admin-token': IDENTITY,
      'content-type': 'application/json',
    });
    expect(stage.rows.get(ID)).toBe('i-00000001');
    expect(stage.lines.map(({ msg }) => msg)).toEqual([
      `evt: provision.ec2_started ${JSON.stringify({
        workspace_id: ID,
        instance_id: 'i-00000001',
        tier: 3,
        runtime: 'echo',
        state: 'pending',
      })}`,
    ]);
  });

  it('names the image only of a pinned runtime', async () => {
    const stage = await open();
    const digest = `sha256:${'0'.repeat(64)}`;
    await stage.backend.start(stage.spec({ imageDigest: digest }));
    expect(stage.server.of('provision')[0]?.body.image).toBe(`molecule/workspace-echo@${digest}`);
  });

  it('a refusal is logged with its status and error field, or a byte count only, and never with our credentials', async () => {
    const stage = await open();
    const secretBody = { detail: 'ami-0abc in vpc-0def' };
    for (const fault of [
      answerStatus(500, { error: `quota of ${SHARED} and ${IDENTITY} is used up` }),
      answerStatus(503, secretBody),
      answerStatus(200, { instance_id: 'i-1' }),
      answerStatus(201, 'not json'),
      answerStatus(201, { state: 'running' }),
      answerStatus(201, { instance_id: 'i-1', filler: 'x'.repeat(70_000) }),
      answerStatus(502, 'x'.repeat(100_000)),
      breakOff,
    ]) {
      stage.server.fail('provision', fault);
      await expect(stage.backend.start(stage.spec())).rejects.toThrow(new StartBrokenOffError('provisioning failed'));
    }
    const messages = stage.lines.map(({ err }) => (err as { message: string }).message);
    expect(messages.slice(0, 7)).toEqual([
      'the control plane answered 500: quota of [redacted] and [redacted] is used up',
      `the control plane answered 503: ${JSON.stringify(secretBody).length} bytes`,
      'the control plane answered 200: 21 bytes',
      'provision: the answer is not JSON (8 bytes)',
      'provision: the answer has no usable fields',
      'provision: the answer is larger than it may be',
      'the control plane answered 502: 65536 bytes',
    ]);
    for (const secret of [SHARED, IDENTITY, ADMIN_API]) expect(textOf(stage)).not.toContain(secret.slice(0, 12));
    expect(stage.rows.size).toBe(0);
    // Of each it is not known whether there is a machine; a plain refusal leaves no doubt.
    expect(stage.debts.size).toBe(8);
    stage.server.fail('provision', answerStatus(422, { error: 'no such tier' }));
    await expect(stage.backend.start(stage.spec())).rejects.toThrow(new StartRefusedError('provisioning failed'));
    expect(stage.debts.size).toBe(8);
  });

  it('a machine that cannot be recorded is ended by what is in memory; one that cannot be ended either is told of', async () => {
    const stage = await open();
    const lost = new Error('the row is gone');
    const record = () => Promise.reject(lost);
    await expect(stage.backend.start(stage.spec({ record }))).rejects.toBe(lost);
    expect(stage.server.of('stop').map(({ instanceId }) => instanceId)).toEqual(['i-00000001']);
    expect(stage.server.machines[0]?.state).toBe('terminated');
    stage.server.fail('stop', answerStatus(500));
    await expect(stage.backend.start(stage.spec({ record }))).rejects.toBe(lost);
    expect(stage.lines.at(-1)).toMatchObject({ workspace_id: ID, instance_id: 'i-00000002' });
    expect(stage.lines.at(-1)?.msg).toContain('suspected leak');
  });
});

describe('stopping a machine', () => {
  it('10.62 any 2xx is success; anything else an error with at most 512 bytes; without a machine nothing is sent', async () => {
    const stage = await open();
    await stage.backend.stop(ID);
    expect(stage.server.requests).toEqual([]);
    for (const status of [200, 202, 204]) {
      stage.rows.set(ID, 'i-machine');
      stage.server.fail('stop', answerStatus(status));
      await stage.backend.stop(ID);
      // Cleared only now that it was acknowledged.
      expect(stage.rows.has(ID)).toBe(false);
    }
    stage.rows.set(ID, 'i-machine');
    for (const status of [400, 401, 404, 500, 503]) {
      stage.server.fail('stop', answerStatus(status, 'ü'.repeat(5_000)));
      const error = await stage.backend.stop(ID).then(
        () => null,
        (failure: Error) => failure,
      );
      const prefix = `stopping workspace ${ID}: the control plane answered ${status}: `;
      expect(error?.message.startsWith(prefix)).toBe(true);
      expect(error?.message.slice(prefix.length)).toBe('ü'.repeat(256));
    }
    expect(stage.rows.get(ID)).toBe('i-machine');
    for (const request of stage.server.of('stop')) {
      expect(request).toMatchObject({ workspaceId: ID, instanceId: 'i-machine' });
      expect(request.headers).toMatchObject({ authorization: `Bearer ${SHARED}`, 'x-molecule-admin-token': IDENTITY });
    }
    const acknowledged = stage.lines.filter(({ msg }) => String(msg).startsWith('evt: provision.ec2_stopped'));
    expect(acknowledged).toHaveLength(3);
  });

  it('what a start recorded meanwhile stays recorded', async () => {
    const stage = await open();
    stage.rows.set(ID, 'i-old');
    stage.server.fail('stop', (response) => {
      stage.rows.set(ID, 'i-new');
      response.writeHead(204).end();
    });
    await stage.backend.stop(ID);
    expect(stage.rows.get(ID)).toBe('i-new');
  });
});

describe('asking whether it runs', () => {
  it('10.65 a workspace without a machine is stopped, cleanly and without a call, even when nothing answers', async () => {
    const stage = await open({ baseUrl: 'http://127.0.0.1:9' });
    await expect(stage.backend.stop(ID)).resolves.toBeUndefined();
    expect(await stage.backend.isRunning(ID)).toEqual({ running: false });
    expect(await stage.backend.readConsole?.(ID)).toBeNull();
    expect(await stage.backend.readConfigFile(ID, 'config.yaml')).toBeNull();
    expect(await stage.backend.readLog(ID, 5)).toBeNull();
    expect(await stage.backend.listManaged()).toEqual([]);
    expect(await stage.backend.adopt(async () => true)).toEqual({ kept: [], stale: [] });
    await stage.backend.writeFiles(ID, { a: 'b' });
    await stage.backend.removeVolumes(ID);
    expect([await stage.backend.supervise(), await stage.backend.rotateLogs()]).toEqual([0, 0]);
    await expect(stage.backend.start(stage.spec())).rejects.toThrow('provisioning failed');
  });

  it('a row that cannot be read leaves it unsure', async () => {
    const stage = await open();
    stage.rows.get = () => {
      throw new Error('no database');
    };
    expect(await stage.backend.isRunning(ID)).toEqual({ running: true, error: new Error('no database') });
    await expect(stage.backend.stop(ID)).rejects.toThrow('no database');
  });

  it('every answer that is not a clear one leaves it unsure, is bounded, and is not repeated', async () => {
    const stage = await open();
    await stage.backend.start(stage.spec());
    expect(await stage.backend.isRunning(ID)).toEqual({ running: true });
    const marker = 'vpc-0def';
    for (const fault of [
      answerStatus(500, { state: 'stopped', marker }),
      answerStatus(404, { error: marker }),
      answerStatus(302, { state: 'stopped' }),
      answerStatus(200, `not json ${marker}`),
      answerStatus(200, { status: 'stopped', marker }),
      answerStatus(200, { state: 'stopped', filler: 'x'.repeat(70_000) }),
      breakOff,
    ]) {
      stage.server.fail('status', fault);
      const answer = await stage.backend.isRunning(ID);
      expect(answer).toEqual({ running: true, error: expect.any(Error) });
      expect(answer.error?.message).not.toContain(marker);
    }
    for (const state of ['stopped', 'pending', 'terminated', '']) {
      stage.server.fail('status', answerStatus(200, { state }));
      expect(await stage.backend.isRunning(ID)).toEqual({ running: false });
    }
  });

  it('an answer without an end is read to its limit only, and one that never comes is given up', async () => {
    const stage = await open();
    await stage.backend.start(stage.spec());
    const { promise: gone, resolve } = Promise.withResolvers<void>();
    stage.server.fail('status', (response) => {
      response.on('close', resolve);
      response.writeHead(200);
      const more = () => response.write('x'.repeat(16_384), () => !response.destroyed && more());
      more();
    });
    expect(await stage.backend.isRunning(ID)).toEqual({ running: true, error: expect.any(Error) });
    await gone;
    stage.server.fail('status', hang);
    const signal = vi.spyOn(AbortSignal, 'timeout').mockImplementationOnce((milliseconds) => {
      expect(milliseconds).toBe(10_000);
      return AbortSignal.abort(new Error('no answer in time'));
    });
    expect(await stage.backend.isRunning(ID)).toEqual({ running: true, error: expect.any(Error) });
    signal.mockRestore();
  });
});

describe('the console', () => {
  it('uses the admin token of the control plane, and is read to its limit', async () => {
    const stage = await open();
    expect(await stage.backend.readConsole?.(ID)).toBeNull();
    await stage.backend.start(stage.spec());
    stage.server.consoleOutput = 'x'.repeat(200_000);
    expect(await stage.backend.readConsole?.(ID)).toBe('x'.repeat(200_000));
    expect(stage.server.of('console')[0]?.headers).toMatchObject({
      authorization: `Bearer ${ADMIN_API}`,
      'x-molecule-admin-token': IDENTITY,
    });
    stage.server.consoleOutput = 'x'.repeat(300_000);
    await expect(stage.backend.readConsole?.(ID)).rejects.toThrow('larger than it may be');
  });

  it('an empty credential is no header', async () => {
    const stage = await open({ sharedSecret: null, adminApiToken: null, adminToken: null }, {});
    await stage.backend.start(stage.spec());
    await stage.backend.readConsole?.(ID);
    await stage.backend.isRunning(ID);
    await stage.backend.stop(ID);
    expect(stage.server.requests).toHaveLength(4);
    for (const { headers } of stage.server.requests) {
      expect(headers).not.toHaveProperty('authorization');
      expect(headers).not.toHaveProperty('x-molecule-admin-token');
    }
  });
});
