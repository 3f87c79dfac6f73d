// The process backend and the one that is not there (chapter 10 §7.1, §7.5); the common contract is asked of both like of every other.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readPids, signalProcess } from '@molecule/testkit';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { describeBackendContract } from '../../../test/backend-contract.ts';
import { isAlive, SCRIPTED_AGENT, untilFile, untilGone } from '../../../test/process-seats.ts';
import { createLog } from '../../platform/log.ts';
import {
  type Backend,
  NoBackendError,
  noBackend,
  OvertakenError,
  type WorkloadExit,
  type WorkloadSpec,
} from '../backend.ts';
import { createProcessBackend } from './process.ts';
import { readRecord } from './process-record.ts';

const ID = '6b9b6a3e-6a51-4d8c-9f7b-0a5e6a3d1c11';
const OTHER = '6b9b6a3e-6a51-4d8c-9f7b-0a5e6a3d1c12';
const PLATFORM = 'http://127.0.0.1:9';

interface Stage {
  backend: Backend;
  dataDir: string;
  exits: WorkloadExit[];
  path(...parts: string[]): string;
}

const stages: Stage[] = [];
afterEach(async () => {
  for (const { backend, dataDir } of stages.splice(0)) {
    await backend.shutdown();
    rmSync(dataDir, { recursive: true, force: true });
  }
});

function open(dataDir = mkdtempSync(join(tmpdir(), 'molecule-backend-')), platformUrl = PLATFORM): Stage {
  const exits: WorkloadExit[] = [];
  const backend = createProcessBackend({
    dataDir,
    command: SCRIPTED_AGENT,
    environment: { PATH: process.env.PATH ?? '' },
    platformUrl: () => platformUrl,
    log: createLog('silent'),
    onExit: (exit) => exits.push(exit),
  });
  const stage = { backend, dataDir, exits, path: (...parts: string[]) => join(dataDir, 'workspaces', ID, ...parts) };
  stages.push(stage);
  return stage;
}

function spec(script: string, changes: Partial<WorkloadSpec> = {}): WorkloadSpec {
  return {
    id: ID,
    name: 'Seat',
    runtime: 'echo',
    tier: 2,
    workspaceDir: null,
    workspaceAccess: 'none',
    imageDigest: null,
    env: { SCRIPT: script, PLATFORM_URL: PLATFORM },
    files: { 'config.yaml': 'name: Seat\n', 'prompts/a.md': 'hello' },
    authToken: 'the-token',
    inboundSecret: 'the-secret',
    resetSession: false,
    publish: async () => {},
    record: async () => {},
    ...changes,
  };
}

const pidsOf = (stage: Stage) => readPids(stage.path('home/starts'));

async function start(stage: Stage, script = 'silent', changes: Partial<WorkloadSpec> = {}): Promise<number> {
  await stage.backend.start(spec(script, changes));
  await untilFile(stage.path('home/starts'));
  return pidsOf(stage).at(-1) as number;
}

describeBackendContract('process', async () => {
  const { backend, exits, dataDir } = open();
  return {
    backend,
    exits,
    spec: (changes) => spec('silent', changes),
    close: async () => {
      await backend.shutdown();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
});

describe('the process backend', () => {
  it('starts one process that finds its files, its credentials and the address it was published under', async () => {
    const stage = open();
    const published: string[] = [];
    const pid = await start(stage, 'silent', { publish: async (url) => void published.push(url) });
    expect(await stage.backend.isRunning(ID)).toEqual({ running: true });
    const env = JSON.parse(readFileSync(stage.path('home/environment.json'), 'utf8')) as Record<string, string>;
    expect(published).toEqual([`http://127.0.0.1:${env.PORT}`]);
    expect(env).toMatchObject({
      WORKSPACE_ID: ID,
      WORKSPACE_CONFIG_PATH: stage.path('configs'),
      CONFIGS_DIR: stage.path('configs'),
      MOLECULE_WORKSPACE_ROOT: stage.path('workspace'),
      PLUGINS_DIR: stage.path('plugins'),
      HOME: stage.path('home'),
      DELEGATION_RESULTS_FILE: stage.path('home/delegation_results.jsonl'),
    });
    for (const name of ['AUDIT_LOG_PATH', 'AUDIT_LEDGER_DB', 'AGENT_SNAPSHOT_PATH'])
      expect(env[name]?.startsWith(stage.path())).toBe(true);
    expect(readFileSync(stage.path('configs/.auth_token'), 'utf8')).toBe('the-token');
    expect(readFileSync(stage.path('configs/.platform_inbound_secret'), 'utf8')).toBe('the-secret');
    for (const file of ['.auth_token', '.platform_inbound_secret', 'config.yaml', 'prompts/a.md'])
      expect(statSync(stage.path('configs', file)).mode & 0o777).toBe(0o600);
    expect(statSync(stage.path('configs')).mode & 0o777).toBe(0o700);
    expect(await stage.backend.readConfigFile(ID, 'prompts/a.md')).toBe('hello');
    expect(await stage.backend.readConfigFile(ID, 'absent.md')).toBeNull();
    expect(await stage.backend.listManaged()).toEqual([ID]);
    expect(isAlive(pid)).toBe(true);
  });

  it('works in the host directory it was given, with the rest of its files where they always are', async () => {
    const stage = open();
    const host = mkdtempSync(join(tmpdir(), 'molecule-host-'));
    await start(stage, 'silent', { workspaceDir: host });
    const env = JSON.parse(readFileSync(stage.path('home/environment.json'), 'utf8')) as Record<string, string>;
    expect(env.MOLECULE_WORKSPACE_ROOT).toBe(host);
    expect(env.HOME).toBe(stage.path('home'));
    await stage.backend.stop(ID);
    await stage.backend.removeVolumes(ID);
    expect(statSync(host).isDirectory()).toBe(true);
    rmSync(host, { recursive: true });
  });

  it('stops idempotently: running, stopped and never started are all success', async () => {
    const stage = open();
    await stage.backend.stop(OTHER);
    expect(await stage.backend.isRunning(OTHER)).toEqual({ running: false });
    const pid = await start(stage);
    await Promise.all([stage.backend.stop(ID), stage.backend.stop(ID)]);
    expect(isAlive(pid)).toBe(false);
    expect(await stage.backend.isRunning(ID)).toEqual({ running: false });
    await stage.backend.stop(ID);
    expect(stage.exits).toEqual([]);
    await stage.backend.removeVolumes(ID);
    expect(await stage.backend.listManaged()).toEqual([]);
    await stage.backend.removeVolumes(ID);
  });

  it('ends a process that ignores TERM with KILL after ten seconds', async () => {
    const stage = open();
    const pid = await start(stage, 'ignore-term');
    const startedAt = performance.now();
    await stage.backend.stop(ID);
    expect(isAlive(pid)).toBe(false);
    expect(performance.now() - startedAt).toBeGreaterThan(9_900);
  });

  it('a second start ends the first process before the next one runs', async () => {
    const stage = open();
    const first = await start(stage);
    await stage.backend.start(spec('silent'));
    expect(isAlive(first)).toBe(false);
    await vi.waitFor(() => expect(pidsOf(stage)).toHaveLength(2), 15_000);
    expect(await stage.backend.isRunning(ID)).toEqual({ running: true });
    expect(stage.exits).toEqual([]);
  });

  it('a stop that comes while an address is published wins: nothing is launched', async () => {
    const stage = open();
    const publish = () => stage.backend.stop(ID);
    await expect(stage.backend.start(spec('silent', { publish }))).rejects.toBeInstanceOf(OvertakenError);
    expect(await stage.backend.isRunning(ID)).toEqual({ running: false });
  });

  it('a program that cannot be run rejects the start and leaves nothing behind', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'molecule-backend-'));
    const backend = createProcessBackend({
      dataDir,
      command: [join(dataDir, 'no-such-program')],
      environment: {},
      platformUrl: () => PLATFORM,
      log: createLog('silent'),
      onExit: () => {},
    });
    await expect(backend.start(spec('silent'))).rejects.toMatchObject({ code: 'ENOENT' });
    expect(await backend.isRunning(ID)).toEqual({ running: false });
    rmSync(dataDir, { recursive: true });
  });

  it('gives two hundred concurrent starts two hundred different ports', async () => {
    const stage = open();
    const ports: string[] = [];
    const { promise: allTold, resolve } = Promise.withResolvers<void>();
    const publish = async (url: string) => {
      if (ports.push(url) === 200) resolve();
      await allTold;
      throw new OvertakenError('the test wants the address only');
    };
    const ids = Array.from({ length: 200 }, (_, n) => `6b9b6a3e-6a51-4d8c-9f7b-${String(n).padStart(12, '0')}`);
    await Promise.allSettled(ids.map((id) => stage.backend.start(spec('silent', { id, publish }))));
    expect(new Set(ports).size).toBe(200);
  });

  it('a port that another program really took is given up for another one', async () => {
    const stage = open();
    const others: Server[] = [];
    const published: string[] = [];
    const publish = async (url: string) => {
      published.push(url);
      if (published.length > 1) return;
      const other = createServer();
      others.push(other);
      await new Promise<void>((resolve) => other.listen(Number(new URL(url).port), '127.0.0.1', resolve));
    };
    await stage.backend.start(spec('silent', { publish }));
    await vi.waitFor(() => expect(published).toHaveLength(2), 15_000);
    await vi.waitFor(() => expect(pidsOf(stage)).toHaveLength(2), 15_000);
    expect(stage.exits).toEqual([]);
    for (const other of others) other.close();
  });

  it('tells of an exit once, with the last words of this run only', async () => {
    const stage = open();
    await start(stage, 'crash-early');
    await vi.waitFor(() => expect(stage.exits).toHaveLength(1), 15_000);
    await start(stage, 'refuse-with-secret', { env: { SCRIPT: 'refuse-with-secret', PLANTED: 'planted' } });
    await vi.waitFor(() => expect(stage.exits).toHaveLength(2), 15_000);
    expect(stage.exits).toEqual([
      {
        id: ID,
        code: 7,
        signal: null,
        reason: 'the agent process exited with code 7: Error: it broke before it listened',
      },
      { id: ID, code: 1, signal: null, reason: 'the key planted was refused' },
    ]);
  });

  it('keeps one older log, and what a process writes goes on in the new one', async () => {
    const stage = open();
    const pid = await start(stage, 'chatty');
    await vi.waitFor(() => expect(statSync(stage.path('agent.log')).size).toBeGreaterThan(11 * 1024 * 1024), {
      timeout: 10_000,
    });
    const before = await stage.backend.readLog(ID, 5);
    expect(before?.lines).toHaveLength(5);
    expect(before?.truncated).toBe(true);
    expect(await stage.backend.rotateLogs()).toBe(1);
    expect(statSync(stage.path('agent.log')).size).toBeLessThan(1024 * 1024);
    expect(statSync(stage.path('agent.log.1')).size).toBeGreaterThan(10 * 1024 * 1024);
    expect(statSync(stage.path('agent.log.1')).mode & 0o777).toBe(0o600);
    expect(await stage.backend.rotateLogs()).toBe(0);
    // Read across both files; nothing is lost to the reader.
    expect((await stage.backend.readLog(ID, 50))?.lines).toHaveLength(50);
    expect(isAlive(pid)).toBe(true);
    expect(await stage.backend.readLog(OTHER, 5)).toEqual({ lines: [], truncated: false });
  });

  it('a shutdown ends every process and refuses to start another', async () => {
    const stage = open();
    const pid = await start(stage);
    await stage.backend.shutdown();
    expect(isAlive(pid)).toBe(false);
    expect(stage.exits).toEqual([]);
    await expect(stage.backend.start(spec('silent'))).rejects.toBeInstanceOf(OvertakenError);
  });
});

describe('what an earlier platform left running', () => {
  it('is taken over when it is still wanted: watched, stopped, and its end noticed', async () => {
    const earlier = open();
    const pid = await start(earlier);
    const later = open(earlier.dataDir);
    expect(await later.backend.adopt(async () => true)).toEqual({ kept: [ID], stale: [] });
    expect(await later.backend.isRunning(ID)).toEqual({ running: true });
    expect(await later.backend.supervise()).toBe(1);
    signalProcess(pid, 'SIGKILL');
    await untilGone(pid);
    await later.backend.supervise();
    expect(later.exits).toEqual([
      {
        id: ID,
        code: null,
        signal: null,
        reason: expect.stringContaining('the agent process ended while the platform was not watching'),
      },
    ]);
    expect(await later.backend.supervise()).toBe(0);
  });

  it('is ended when nobody wants it, and when it has no record', async () => {
    const nobody = { kept: [], stale: [] };
    const unwanted = open();
    const first = await start(unwanted);
    expect(await open(unwanted.dataDir).backend.adopt(async () => false)).toEqual(nobody);
    expect(isAlive(first)).toBe(false);

    const unrecorded = open();
    const second = await start(unrecorded);
    rmSync(unrecorded.path('process.json'));
    expect(await open(unrecorded.dataDir).backend.adopt(async () => true)).toEqual(nobody);
    await untilGone(second);
  });

  it('is told apart when it looks for the platform at another address: it runs, and has to be restarted', async () => {
    const earlier = open();
    const pid = await start(earlier);
    const later = open(earlier.dataDir, 'http://127.0.0.1:10');
    expect(await later.backend.adopt(async () => true)).toEqual({ kept: [], stale: [ID] });
    expect(isAlive(pid)).toBe(true);
    await later.backend.stop(ID);
    expect(isAlive(pid)).toBe(false);
  });

  it('a record whose pid belongs to somebody else by now is no workload, and that process is left alone', async () => {
    const stage = open();
    mkdirSync(stage.path('home'), { recursive: true });
    const record = { pid: process.pid, startedAt: 'another-boot/1', port: 1, logStart: 0, platformUrl: PLATFORM };
    writeFileSync(stage.path('process.json'), JSON.stringify(record));
    expect(await stage.backend.isRunning(ID)).toEqual({ running: false });
    expect(await stage.backend.adopt(async () => true)).toEqual({ kept: [], stale: [] });
    await stage.backend.stop(ID);
    expect(isAlive(process.pid)).toBe(true);
  });

  it.each([0, 1, -1, 1.5, '7'])('a record with the pid %j names no single process and is not believed', (pid) => {
    const stage = open();
    mkdirSync(stage.path(), { recursive: true });
    writeFileSync(stage.path('process.json'), JSON.stringify({ pid, startedAt: null, port: 1, logStart: 0 }));
    expect(readRecord(stage.path('process.json'))).toBeNull();
  });
});

describe('the backend that is not there', () => {
  it('10.65 answers every method with its own error or a clean value, and never crashes', async () => {
    await expect(noBackend.start(spec(''))).rejects.toBeInstanceOf(NoBackendError);
    expect(await noBackend.isRunning(ID)).toEqual({ running: false, error: expect.any(NoBackendError) });
    expect(await noBackend.stop(ID)).toBeUndefined();
    expect(await noBackend.writeFiles(ID, { a: 'b' })).toBeUndefined();
    expect(await noBackend.readConfigFile(ID, 'a')).toBeNull();
    expect(await noBackend.readLog(ID, 5)).toBeNull();
    expect(await noBackend.listManaged()).toEqual([]);
    expect(await noBackend.removeVolumes(ID)).toBeUndefined();
    expect(await noBackend.adopt(async () => true)).toEqual({ kept: [], stale: [] });
    expect(await noBackend.supervise()).toBe(0);
    expect(await noBackend.rotateLogs()).toBe(0);
    expect(await noBackend.shutdown()).toBeUndefined();
  });
});
