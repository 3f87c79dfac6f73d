// The `process` backend: one child process group per workspace on this machine (chapter 10 §7.5). Needs no container engine.
// An exit is noticed at once; a platform that was killed finds its children again by their records.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import type { Logger } from '../../platform/log.ts';
import type { Backend, WorkloadExit, WorkloadSpec } from '../backend.ts';
import { explainExit, rotateLog, saysPortTaken, sizeOfLog, tailLog, tailLogs } from './process-log.ts';
import {
  deleteRecord,
  isSameProcess,
  listMarkedProcesses,
  type ProcessRecord,
  readRecord,
  readStartTime,
  writeRecord,
} from './process-record.ts';

const TERM_GRACE_MS = 10_000;
/** The runtime waits for its turn shorter than we wait for the runtime, so that it can say goodbye. */
const TURN_GRACE_SECONDS = 8;
const KILL_GRACE_MS = 5_000;
const EXIT_POLL_MS = 50;
const MOST_PORT_TRIES = 5;
const REASON_LINES = 200;
const FOLDERS = ['configs', 'workspace', 'plugins', 'home'] as const;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export interface ProcessBackendOptions {
  dataDir: string;
  /** Program and arguments of the runtime; `molecule-runtime` unless told otherwise. */
  command?: readonly string[];
  /** What every workload inherits; nothing else of the platform's own environment reaches it. */
  environment: Readonly<Record<string, string>>;
  log: Logger;
  onExit(exit: WorkloadExit): void;
}

/** A process of ours: started here (`child`), or by an earlier platform process and adopted. */
interface Workload {
  record: ProcessRecord;
  child: ChildProcess | null;
  stopping: boolean;
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

/** The whole group, so that what the agent started ends with it. */
function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as { code?: string }).code !== 'ESRCH') throw error;
  }
}

/** A reader never sees half a file, and nobody else sees any of it. */
function writePrivate(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  rmSync(`${path}.new`, { force: true });
  writeFileSync(`${path}.new`, content, { mode: 0o600, flag: 'wx' });
  renameSync(`${path}.new`, path);
}

export function createProcessBackend(options: ProcessBackendOptions): Backend {
  const { dataDir, environment, log, onExit } = options;
  const command = options.command ?? runtimeCommand();
  const root = join(dataDir, 'workspaces');
  const workloads = new Map<string, Workload>();
  /** Starts in progress; replaced or gone = the start was overtaken and must not launch. */
  const starting = new Map<string, WorkloadSpec>();
  /** Ports of starts and workloads, so that two of ours never get the same one. */
  const ports = new Set<number>();
  let closed = false;

  const folderOf = (id: string) => join(root, id);
  const recordPath = (id: string) => join(folderOf(id), 'process.json');
  const logPath = (id: string) => join(folderOf(id), 'agent.log');

  async function takePort(): Promise<number> {
    for (;;) {
      const port = await findFreePort();
      if (ports.has(port)) continue;
      ports.add(port);
      return port;
    }
  }

  function prepareFolders(spec: WorkloadSpec): void {
    const folder = folderOf(spec.id);
    for (const name of FOLDERS) mkdirSync(join(folder, name), { recursive: true, mode: 0o700 });
    for (const [path, content] of Object.entries(spec.files)) writePrivate(join(folder, 'configs', path), content);
    // Credentials lie there before the process does, so it never starts without them.
    writePrivate(join(folder, 'configs/.auth_token'), spec.authToken);
    writePrivate(join(folder, 'configs/.platform_inbound_secret'), spec.inboundSecret);
  }

  function buildEnvironment(spec: WorkloadSpec, port: number): Record<string, string> {
    const folder = folderOf(spec.id);
    const configs = join(folder, 'configs');
    const home = join(folder, 'home');
    return {
      ...environment,
      ...spec.env,
      WORKSPACE_ID: spec.id,
      WORKSPACE_CONFIG_PATH: configs,
      CONFIGS_DIR: configs,
      MOLECULE_WORKSPACE_ROOT: spec.workspaceDir ?? join(folder, 'workspace'),
      PLUGINS_DIR: join(folder, 'plugins'),
      HOME: home,
      // Not under configs: every change there makes the runtime read its configuration again.
      DELEGATION_RESULTS_FILE: join(home, 'delegation_results.jsonl'),
      AUDIT_LOG_PATH: join(home, 'audit.jsonl'),
      AUDIT_LEDGER_DB: join(home, 'audit-ledger.db'),
      AGENT_SNAPSHOT_PATH: join(configs, '.agent_snapshot.json'),
      SHUTDOWN_GRACE_S: String(TURN_GRACE_SECONDS),
      PORT: String(port),
    };
  }

  function forgetWorkload(id: string, workload: Workload): void {
    if (workloads.get(id) === workload) workloads.delete(id);
    ports.delete(workload.record.port);
    deleteRecord(recordPath(id));
    // Grandchildren end with their agent.
    signalGroup(workload.record.pid, 'SIGKILL');
  }

  function tellExit(id: string, workload: Workload, code: number | null, signal: string | null): void {
    const { lines } = tailLog(logPath(id), REASON_LINES, workload.record.logStart);
    onExit({ id, code, signal, reason: explainExit({ lines, code, signal }) });
  }

  /** Launches on a free port. Whether it was really free shows when the child listens; see `handleExit`. */
  async function launch(spec: WorkloadSpec, tries: number): Promise<void> {
    const { id } = spec;
    const port = await takePort();
    try {
      await spec.publish(`http://127.0.0.1:${port}`);
      if (closed || starting.get(id) !== spec) throw new Error('the start was overtaken by a stop');
      rotateLog(logPath(id));
      const output = openSync(logPath(id), 'a', 0o600);
      const logStart = sizeOfLog(logPath(id));
      const [program = '', ...args] = command;
      const child = spawn(program, args, {
        cwd: spec.workspaceDir ?? join(folderOf(id), 'workspace'),
        env: buildEnvironment(spec, port),
        stdio: ['ignore', output, output],
        detached: true,
      });
      closeSync(output);
      if (child.pid === undefined) {
        const [error] = (await once(child, 'error')) as [Error];
        throw error;
      }
      const record = { pid: child.pid, startedAt: readStartTime(child.pid), port, logStart };
      const workload: Workload = { record, child, stopping: false };
      // In the tick of the spawn: a platform killed a moment later leaves a record behind.
      writeRecord(recordPath(id), record);
      workloads.set(id, workload);
      child.on('error', (error) =>
        log.error({ err: error, workspace_id: id }, 'an agent process could not be signalled'),
      );
      child.once('exit', (code, signal) => handleExit(spec, workload, tries, code, signal));
    } catch (error) {
      ports.delete(port);
      throw error;
    } finally {
      if (starting.get(id) === spec) starting.delete(id);
    }
  }

  function handleExit(
    spec: WorkloadSpec,
    workload: Workload,
    tries: number,
    code: number | null,
    signal: string | null,
  ): void {
    const { id } = spec;
    forgetWorkload(id, workload);
    if (workload.stopping || closed) return;
    const { lines } = tailLog(logPath(id), REASON_LINES, workload.record.logStart);
    if (code !== 0 && tries < MOST_PORT_TRIES && saysPortTaken(lines)) {
      log.info({ workspace_id: id, port: workload.record.port }, 'the port of an agent was taken; trying another');
      starting.set(id, spec);
      launch(spec, tries + 1).catch((error: unknown) => {
        log.error({ err: error, workspace_id: id }, 'an agent could not be started on another port');
        tellExit(id, workload, code, signal);
      });
      return;
    }
    tellExit(id, workload, code, signal);
  }

  async function waitForEnd({ record, child }: Workload, limitMs: number): Promise<boolean> {
    if (child) {
      if (child.exitCode !== null || child.signalCode !== null) return true;
      return await once(child, 'exit', { signal: AbortSignal.timeout(limitMs) }).then(
        () => true,
        () => false,
      );
    }
    for (let waited = 0; waited < limitMs && isSameProcess(record); waited += EXIT_POLL_MS) await pause(EXIT_POLL_MS);
    return !isSameProcess(record);
  }

  /** What runs for this id: known here, or by the record of an earlier platform process. */
  function findWorkload(id: string): Workload | null {
    const known = workloads.get(id);
    if (known) return known;
    const record = readRecord(recordPath(id));
    return record && isSameProcess(record) ? { record, child: null, stopping: false } : null;
  }

  async function stop(id: string): Promise<void> {
    starting.delete(id);
    const workload = findWorkload(id);
    if (!workload) return deleteRecord(recordPath(id));
    workload.stopping = true;
    const { pid } = workload.record;
    signalGroup(pid, 'SIGTERM');
    if (!(await waitForEnd(workload, TERM_GRACE_MS))) {
      signalGroup(pid, 'SIGKILL');
      if (!(await waitForEnd(workload, KILL_GRACE_MS))) throw new Error(`process ${pid} does not end`);
    }
    forgetWorkload(id, workload);
  }

  function listFolders(): string[] {
    return existsSync(root) ? readdirSync(root).filter((name) => UUID.test(name)) : [];
  }

  /** Processes of workspaces that nobody adopted: started in the moment the platform died, or left behind by their agent. */
  function reapStrays(): number {
    const strays = listMarkedProcesses(root).filter(({ workspaceId }) => !workloads.has(workspaceId));
    for (const { pid, workspaceId } of strays) {
      log.warn({ pid, workspace_id: workspaceId }, 'ending a process left behind by an earlier run');
      try {
        process.kill(pid, 'SIGKILL');
      } catch (error) {
        if ((error as { code?: string }).code !== 'ESRCH') throw error;
      }
    }
    return strays.length;
  }

  return {
    name: 'process',
    async start(spec) {
      if (closed) throw new Error('the platform is stopping');
      await stop(spec.id);
      starting.set(spec.id, spec);
      prepareFolders(spec);
      await launch(spec, 1);
      log.info(
        { workspace_id: spec.id, tier: spec.tier, port: workloads.get(spec.id)?.record.port },
        'agent process started; tiers are recorded, not enforced, by this backend',
      );
    },
    stop,
    async isRunning(id) {
      if (starting.has(id)) return { running: true };
      const workload = findWorkload(id);
      return { running: workload !== null && (workload.child !== null || isSameProcess(workload.record)) };
    },
    async writeFiles(id, files) {
      for (const [path, content] of Object.entries(files)) writePrivate(join(folderOf(id), 'configs', path), content);
    },
    async readConfigFile(id, path) {
      const file = join(folderOf(id), 'configs', path);
      return existsSync(file) ? readFileSync(file, 'utf8') : null;
    },
    readLog: async (id, lines) => tailLogs(logPath(id), lines),
    listManaged: async () => listFolders(),
    async removeVolumes(id) {
      rmSync(folderOf(id), { recursive: true, force: true });
    },
    async adopt(isKnown) {
      const adopted: string[] = [];
      for (const id of listFolders()) {
        const record = readRecord(recordPath(id));
        if (!record || !isSameProcess(record)) deleteRecord(recordPath(id));
        else if (await isKnown(id)) {
          workloads.set(id, { record, child: null, stopping: false });
          ports.add(record.port);
          adopted.push(id);
        } else await stop(id);
      }
      reapStrays();
      return adopted;
    },
    async supervise() {
      const adopted = [...workloads].filter(([, workload]) => workload.child === null);
      for (const [id, workload] of adopted) {
        if (workload.stopping || isSameProcess(workload.record)) continue;
        forgetWorkload(id, workload);
        tellExit(id, workload, null, null);
      }
      return adopted.length;
    },
    async rotateLogs() {
      let cut = 0;
      for (const [id, { record }] of workloads) {
        if (!rotateLog(logPath(id))) continue;
        record.logStart = 0;
        cut += 1;
      }
      return cut;
    },
    async shutdown() {
      closed = true;
      starting.clear();
      const results = await Promise.allSettled([...workloads.keys()].map(stop));
      for (const result of results)
        if (result.status === 'rejected') log.error({ err: result.reason }, 'an agent process could not be stopped');
    },
  };
}
