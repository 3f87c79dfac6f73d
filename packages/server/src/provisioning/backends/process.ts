// The `process` backend: one child process group per workspace on this machine (chapter 10 §7.5). Needs no container engine.
// An exit is noticed at once; a platform that was killed finds its children again by their records.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pause } from '../../platform/deadline.ts';
import type { Logger } from '../../platform/log.ts';
import { type Backend, OvertakenError, type WorkloadExit, type WorkloadSpec } from '../backend.ts';
import { findFreePort } from './ports.ts';
import { createProcessFiles } from './process-files.ts';
import { createProcessFolders } from './process-folder.ts';
import { explainExit, rotateLog, saysPortTaken, sizeOfLog, tailLog, tailLogs } from './process-log.ts';
import {
  deleteRecord,
  isReused,
  isSameProcess,
  listMarkedProcesses,
  type ProcessRecord,
  readRecord,
  readStartTime,
  writeRecord,
} from './process-record.ts';
import { createProcessTerminals } from './process-terminals.ts';

const TERM_GRACE_MS = 10_000;
const KILL_GRACE_MS = 5_000;
const EXIT_POLL_MS = 50;
const MOST_PORT_TRIES = 5;
/** A process that still speaks of a taken port after this long listened well, and failed over something else. */
const LISTEN_LIMIT_MS = 30_000;
const REASON_LINES = 200;

export interface ProcessBackendOptions {
  dataDir: string;
  /** Program and arguments of the runtime; `molecule-runtime` unless told otherwise. */
  command?: readonly string[];
  /** What every workload inherits; nothing else of the platform's own environment reaches it. */
  environment: Readonly<Record<string, string>>;
  /** Where workloads reach this platform; one that was told another address is not adopted. */
  platformUrl(): string;
  log: Logger;
  onExit(exit: WorkloadExit): void;
}

/** A process of ours: started here (`child`), or by an earlier platform process and adopted. */
interface Workload {
  record: ProcessRecord;
  child: ChildProcess | null;
  /** What it was started with; null for an adopted one. */
  environment: Record<string, string> | null;
  stopping: boolean;
  /** Its end was seen to, what it left behind included. */
  ended: boolean;
}

/** One launch of a start; another follows when the port turns out to be taken. */
interface Launch {
  spec: WorkloadSpec;
  tries: number;
  launchedAt: number;
}

function runtimeCommand(): string[] {
  return [
    process.execPath,
    '--disable-warning=ExperimentalWarning',
    resolve(import.meta.dirname, '../../../../runtime/src/bin.ts'),
  ];
}

/** @throws when the process is there and may not be signalled; one that is gone is fine. */
function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as { code?: string }).code !== 'ESRCH') throw error;
  }
}

/** The whole group, so that what the agent started ends with it. */
const signalGroup = (pid: number, signal: NodeJS.Signals) => send(-pid, signal);

export function createProcessBackend(options: ProcessBackendOptions): Backend {
  const { dataDir, environment, log, onExit } = options;
  const [program = '', ...args] = options.command ?? runtimeCommand();
  const root = join(dataDir, 'workspaces');
  const folders = createProcessFolders(root);
  const terminals = createProcessTerminals(folders, environment);
  const workloads = new Map<string, Workload>();
  /** Starts in progress; replaced or gone = the start was overtaken and must not launch. */
  const starting = new Map<string, WorkloadSpec>();
  /** Ports of starts and workloads, so that two of ours never get the same one. */
  const ports = new Set<number>();
  let closed = false;

  async function takePort(): Promise<number> {
    for (;;) {
      const port = await findFreePort();
      if (ports.has(port)) continue;
      ports.add(port);
      return port;
    }
  }

  /** Ends what carries the mark of these workspaces: children that left their agent's process group. */
  function reapStrays(isStray: (workspaceId: string) => boolean): number {
    const strays = listMarkedProcesses(root).filter(({ workspaceId }) => isStray(workspaceId));
    for (const { pid, workspaceId } of strays) {
      log.warn({ pid, workspace_id: workspaceId }, 'ending a process that an agent left behind');
      send(pid, 'SIGKILL');
    }
    return strays.length;
  }

  /** After its end, once. Throws nothing: it runs where nobody could catch it. */
  function forgetWorkload(id: string, workload: Workload): void {
    if (workload.ended) return;
    workload.ended = true;
    if (workloads.get(id) === workload) workloads.delete(id);
    ports.delete(workload.record.port);
    try {
      terminals.closeAll(id);
      if (!isReused(workload.record)) signalGroup(workload.record.pid, 'SIGKILL');
      reapStrays((other) => other === id);
      deleteRecord(folders.recordPath(id));
    } catch (error) {
      log.error({ err: error, workspace_id: id }, 'what an agent left behind could not be cleared away');
    }
  }

  function tellExit(id: string, workload: Workload, code: number | null, signal: string | null): void {
    const { lines } = tailLog(folders.logPath(id), REASON_LINES, workload.record.logStart);
    onExit({ id, code, signal, reason: explainExit({ lines, code, signal }) });
  }

  /** Its output goes to the log file by itself, so that it goes on when the platform dies. */
  function spawnAgent(spec: WorkloadSpec, agentEnvironment: Record<string, string>): ChildProcess {
    const output = openSync(folders.logPath(spec.id), 'a', 0o600);
    try {
      return spawn(program, args, {
        cwd: folders.workingFolder(spec),
        env: agentEnvironment,
        stdio: ['ignore', output, output],
        detached: true,
      });
    } finally {
      closeSync(output);
    }
  }

  /** In the tick of the spawn: a platform killed a moment later leaves a record behind. A process without one must not run. */
  function keepRecord(id: string, pid: number, port: number, logStart: number): ProcessRecord {
    const record = { pid, startedAt: readStartTime(pid), port, logStart, platformUrl: options.platformUrl() };
    try {
      writeRecord(folders.recordPath(id), record);
      return record;
    } catch (error) {
      signalGroup(pid, 'SIGKILL');
      throw error;
    }
  }

  /** On a free port. Whether it was really free shows when the child listens; see `handleExit`. */
  async function launch(spec: WorkloadSpec, tries: number): Promise<void> {
    const { id } = spec;
    const port = await takePort();
    try {
      await spec.publish(`http://127.0.0.1:${port}`);
      if (closed || starting.get(id) !== spec) throw new OvertakenError('the start was overtaken');
      const logPath = folders.logPath(id);
      rotateLog(logPath);
      const logStart = sizeOfLog(logPath);
      const agentEnvironment = { ...environment, ...spec.env, ...folders.environment(spec, port) };
      const child = spawnAgent(spec, agentEnvironment);
      if (child.pid === undefined) throw (await once(child, 'error'))[0];
      child.on('error', (error) => log.error({ err: error, workspace_id: id }, 'an agent could not be signalled'));
      const record = keepRecord(id, child.pid, port, logStart);
      const workload: Workload = { record, child, environment: agentEnvironment, stopping: false, ended: false };
      workloads.set(id, workload);
      const launched = { spec, tries, launchedAt: performance.now() };
      child.once('exit', (code, signal) => handleExit(launched, workload, code, signal));
    } catch (error) {
      ports.delete(port);
      throw error;
    } finally {
      if (starting.get(id) === spec) starting.delete(id);
    }
  }

  function lostItsPort({ launchedAt, tries }: Launch, workload: Workload, id: string): boolean {
    if (tries >= MOST_PORT_TRIES || performance.now() - launchedAt > LISTEN_LIMIT_MS) return false;
    return saysPortTaken(tailLog(folders.logPath(id), REASON_LINES, workload.record.logStart).lines);
  }

  function handleExit(launched: Launch, workload: Workload, code: number | null, signal: string | null): void {
    const { spec, tries } = launched;
    const { id } = spec;
    forgetWorkload(id, workload);
    if (workload.stopping || closed) return;
    if (code === 0 || !lostItsPort(launched, workload, id)) {
      tellExit(id, workload, code, signal);
      return;
    }
    log.info({ workspace_id: id, port: workload.record.port }, 'the port of an agent was taken; trying another');
    starting.set(id, spec);
    launch(spec, tries + 1).catch((error: unknown) => {
      if (error instanceof OvertakenError) return;
      log.error({ err: error, workspace_id: id }, 'an agent could not be started on another port');
      tellExit(id, workload, code, signal);
    });
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
    const record = readRecord(folders.recordPath(id));
    return record && isSameProcess(record)
      ? { record, child: null, environment: null, stopping: false, ended: false }
      : null;
  }

  async function stop(id: string): Promise<void> {
    starting.delete(id);
    terminals.closeAll(id);
    const workload = findWorkload(id);
    if (!workload) return deleteRecord(folders.recordPath(id));
    workload.stopping = true;
    const { pid } = workload.record;
    try {
      signalGroup(pid, 'SIGTERM');
      if (!(await waitForEnd(workload, TERM_GRACE_MS))) {
        signalGroup(pid, 'SIGKILL');
        if (!(await waitForEnd(workload, KILL_GRACE_MS))) throw new Error(`process ${pid} does not end`);
      }
    } catch (error) {
      // It may still run: its end, if it comes, is news again.
      workload.stopping = false;
      throw error;
    }
    forgetWorkload(id, workload);
  }

  /** What an earlier platform left running for this id; null when nothing does. */
  function findLeftover(id: string): ProcessRecord | null {
    // Started since this platform listens: nothing of an earlier one.
    if (workloads.has(id) || starting.has(id)) return null;
    const record = readRecord(folders.recordPath(id));
    if (record && isSameProcess(record)) return record;
    deleteRecord(folders.recordPath(id));
    return null;
  }

  /** @returns false when nobody wants it: it is ended then. */
  async function adoptOne(id: string, mayKeep: (id: string) => Promise<boolean>): Promise<boolean> {
    if (!(await mayKeep(id))) {
      await stop(id);
      return false;
    }
    const record = findLeftover(id);
    if (!record) return false;
    workloads.set(id, { record, child: null, environment: null, stopping: false, ended: false });
    ports.add(record.port);
    return true;
  }

  return {
    name: 'process',
    scope: 'replica',
    deliversTokens: true,
    probe: { everyMs: 15_000, parallel: 1 },
    async start(spec) {
      if (closed) throw new OvertakenError('the platform is stopping');
      await stop(spec.id);
      starting.set(spec.id, spec);
      try {
        folders.prepare(spec);
        await launch(spec, 1);
      } finally {
        if (starting.get(spec.id) === spec) starting.delete(spec.id);
      }
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
    writeFiles: async (id, files) => folders.writeConfigFiles(id, files),
    readConfigFile: async (id, path) => folders.readConfigFile(id, path),
    readLog: async (id, lines) => tailLogs(folders.logPath(id), lines),
    openTerminal: (id, size) =>
      terminals.open(id, size, () => {
        const workload = closed ? null : findWorkload(id);
        return workload === null || workload.stopping ? null : workload;
      }),
    files: createProcessFiles(folders),
    listManaged: async () => folders.list(),
    removeVolumes: async (id) => folders.remove(id),
    async adopt(mayKeep) {
      const found = folders.list().filter((id) => findLeftover(id) !== null);
      const results = await Promise.allSettled(found.map((id) => adoptOne(id, mayKeep)));
      // One that cannot be ended must not keep the platform from taking over the others.
      for (const [index, result] of results.entries())
        if (result.status === 'rejected')
          log.error({ err: result.reason, workspace_id: found[index] }, 'a process of the last run could not be ended');
      // Started in the very moment the platform died: they have no record.
      reapStrays((id) => findWorkload(id) === null && !starting.has(id));
      const kept = found.filter(
        (_, index) => results[index]?.status === 'fulfilled' && workloads.has(found[index] ?? ''),
      );
      const isStale = (id: string) => workloads.get(id)?.record.platformUrl !== options.platformUrl();
      return { kept: kept.filter((id) => !isStale(id)), stale: kept.filter(isStale) };
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
        if (!rotateLog(folders.logPath(id))) continue;
        record.logStart = 0;
        writeRecord(folders.recordPath(id), record);
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
