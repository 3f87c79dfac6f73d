// The `process` backend: one child process group per workspace on this machine (chapter 10 §7.5). Needs no container engine.
// An exit is noticed at once; a platform that was killed finds its children again by their records.

import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import type { Logger } from '../../platform/log.ts';
import type { Backend, WorkloadExit, WorkloadSpec } from '../backend.ts';
import { explainExit, rotateLog, tailLog } from './process-log.ts';
import {
  deleteRecord,
  isSameProcess,
  type ProcessRecord,
  readRecord,
  readStartTime,
  writeRecord,
} from './process-record.ts';

/** Of the platform's own environment only these reach an agent: no platform secret can leak in. */
const PASSED_ON = [
  'PATH',
  'LANG',
  'LANGUAGE',
  'LC_ALL',
  'LC_CTYPE',
  'TZ',
  'TMPDIR',
  'TERM',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'SSL_CERT_FILE',
  'NODE_EXTRA_CA_CERTS',
];
const TERM_GRACE_MS = 10_000;
const EXIT_POLL_MS = 50;
const FOLDERS = ['configs', 'workspace', 'plugins', 'home'] as const;

export interface ProcessBackendOptions {
  dataDir: string;
  /** Program and arguments of the runtime; `molecule-runtime` unless a test says otherwise. */
  command?: string[];
  environment: Readonly<Record<string, string | undefined>>;
  log: Logger;
  onExit(exit: WorkloadExit): void;
}

function runtimeCommand(): string[] {
  return [
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    resolve(import.meta.dirname, '../../../../runtime/src/bin.ts'),
  ];
}

async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done, fail) => server.once('error', fail).listen(0, '127.0.0.1', done));
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}

const pause = (milliseconds: number) =>
  new Promise<void>((done) => AbortSignal.timeout(milliseconds).addEventListener('abort', () => done()));

export function createProcessBackend({
  dataDir,
  command = runtimeCommand(),
  environment,
  log,
  onExit,
}: ProcessBackendOptions): Backend {
  const root = join(dataDir, 'workspaces');
  const children = new Map<string, ChildProcess>();
  /** Ids whose end was asked for: their exit is no news. */
  const stopping = new Set<string>();
  /** Ports handed out and not yet bound by their child. */
  const reserved = new Set<number>();

  const folderOf = (id: string) => join(root, id);
  const recordPath = (id: string) => join(folderOf(id), 'process.json');
  const logPath = (id: string) => join(folderOf(id), 'agent.log');

  async function reservePort(): Promise<number> {
    for (;;) {
      const port = await findFreePort();
      if (reserved.has(port)) continue;
      reserved.add(port);
      return port;
    }
  }

  function writePrivate(path: string, content: string): void {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    writeFileSync(path, content, { mode: 0o600 });
  }

  function prepareFolders(spec: WorkloadSpec): string {
    const folder = folderOf(spec.id);
    for (const name of FOLDERS) mkdirSync(join(folder, name), { recursive: true, mode: 0o700 });
    for (const [path, content] of Object.entries(spec.files)) writePrivate(join(folder, 'configs', path), content);
    // Credentials lie there before the process does, so it never starts without them.
    writePrivate(join(folder, 'configs/.auth_token'), spec.authToken);
    writePrivate(join(folder, 'configs/.platform_inbound_secret'), spec.inboundSecret);
    return folder;
  }

  function buildEnvironment(spec: WorkloadSpec, folder: string, port: number): Record<string, string> {
    const passed = Object.fromEntries(
      PASSED_ON.flatMap((name) => (environment[name] === undefined ? [] : [[name, environment[name] as string]])),
    );
    const configs = join(folder, 'configs');
    return {
      ...passed,
      ...spec.env,
      WORKSPACE_ID: spec.id,
      WORKSPACE_CONFIG_PATH: configs,
      CONFIGS_DIR: configs,
      MOLECULE_WORKSPACE_ROOT: spec.workspaceDir ?? join(folder, 'workspace'),
      PLUGINS_DIR: join(folder, 'plugins'),
      HOME: join(folder, 'home'),
      DELEGATION_RESULTS_FILE: join(configs, 'delegation_results.jsonl'),
      AGENT_SNAPSHOT_PATH: join(configs, '.agent_snapshot.json'),
      PORT: String(port),
    };
  }

  function watch(id: string, child: ChildProcess, logStart: number): void {
    children.set(id, child);
    child.once('exit', (code, signal) => {
      if (children.get(id) === child) children.delete(id);
      deleteRecord(recordPath(id));
      if (stopping.has(id)) return;
      const { lines } = tailLog(logPath(id), 200, logStart);
      onExit({ id, code, signal, reason: explainExit(lines, code, signal) });
    });
  }

  /** Starts the child and resolves when the system has started it; a command that cannot run rejects. */
  async function launch(spec: WorkloadSpec, folder: string, port: number): Promise<ChildProcess> {
    rotateLog(logPath(spec.id));
    const output = openSync(logPath(spec.id), 'a', 0o600);
    const logStart = statSync(logPath(spec.id)).size;
    const [program = '', ...args] = command;
    try {
      const child = spawn(program, args, {
        cwd: spec.workspaceDir ?? join(folder, 'workspace'),
        env: buildEnvironment(spec, folder, port),
        stdio: ['ignore', output, output],
        detached: true,
      });
      await new Promise<void>((done, fail) => child.once('spawn', done).once('error', fail));
      writeRecord(recordPath(spec.id), {
        pid: child.pid as number,
        startedAt: readStartTime(child.pid as number),
        port,
      });
      watch(spec.id, child, logStart);
      return child;
    } finally {
      closeSync(output);
    }
  }

  /** The whole group, so that what the agent started ends with it. */
  function signalGroup(pid: number, signal: NodeJS.Signals): void {
    try {
      process.kill(-pid, signal);
    } catch (error) {
      if ((error as { code?: string }).code !== 'ESRCH') throw error;
    }
  }

  async function waitForEnd(record: ProcessRecord, limitMs: number): Promise<boolean> {
    for (let waited = 0; waited < limitMs; waited += EXIT_POLL_MS) {
      if (!isSameProcess(record)) return true;
      await pause(EXIT_POLL_MS);
    }
    return !isSameProcess(record);
  }

  async function stop(id: string): Promise<void> {
    const record = readRecord(recordPath(id));
    if (!record || !isSameProcess(record)) return deleteRecord(recordPath(id));
    stopping.add(id);
    try {
      signalGroup(record.pid, 'SIGTERM');
      if (!(await waitForEnd(record, TERM_GRACE_MS))) {
        signalGroup(record.pid, 'SIGKILL');
        if (!(await waitForEnd(record, TERM_GRACE_MS))) throw new Error(`process ${record.pid} does not end`);
      }
      // Grandchildren that ignored TERM go with the group.
      signalGroup(record.pid, 'SIGKILL');
      deleteRecord(recordPath(id));
    } finally {
      stopping.delete(id);
    }
  }

  function listRecorded(): string[] {
    if (!existsSync(root)) return [];
    return readdirSync(root).filter((id) => existsSync(recordPath(id)));
  }

  return {
    name: 'process',
    async start(spec) {
      await stop(spec.id);
      const folder = prepareFolders(spec);
      const port = await reservePort();
      await launch(spec, folder, port);
      reserved.delete(port);
      log.info(
        { workspace_id: spec.id, tier: spec.tier, port },
        'agent process started; tiers are recorded, not enforced, by this backend',
      );
      return { url: `http://127.0.0.1:${port}` };
    },
    stop,
    async isRunning(id) {
      if (children.has(id)) return { running: true };
      const record = readRecord(recordPath(id));
      return { running: record !== null && isSameProcess(record) };
    },
    async readConfigFile(id, path) {
      const file = join(folderOf(id), 'configs', path);
      return existsSync(file) ? readFileSync(file, 'utf8') : null;
    },
    readLog: async (id, lines) => tailLog(logPath(id), lines),
    async removeVolumes(id) {
      rmSync(folderOf(id), { recursive: true, force: true });
    },
    async adopt(isKnown) {
      const adopted: string[] = [];
      for (const id of listRecorded()) {
        const record = readRecord(recordPath(id));
        if (!record || !isSameProcess(record)) deleteRecord(recordPath(id));
        else if (await isKnown(id)) adopted.push(id);
        else await stop(id);
      }
      return adopted;
    },
    async shutdown() {
      const results = await Promise.allSettled(listRecorded().map(stop));
      for (const result of results)
        if (result.status === 'rejected') log.error({ err: result.reason }, 'an agent process could not be stopped');
    },
  };
}
