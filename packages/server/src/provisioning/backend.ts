// What the platform asks of whatever runs the workloads (chapter 10 §7.1). One folder or file per backend implements it.
// Owns the shapes only; when to start, stop or give up is the dispatcher's business.

import type { FileStore } from './file-store.ts';
import type { Terminal, TerminalSize } from './terminal.ts';

export type WorkspaceAccess = 'none' | 'read_only' | 'read_write';

/** What is stored about a workload once the backend knows it. */
export interface WorkloadFacts {
  /** The machine id of a remote backend. */
  instanceId?: string;
  /** Under which it was asked for; a backend that keeps debts pays this one with it. */
  requestKey?: string;
  /** Digest of the image that was really used, `sha256:…`. */
  imageDigest?: string;
}

export interface WorkloadSpec {
  id: string;
  name: string;
  runtime: string;
  tier: number;
  /** Host directory that replaces the workload's own `/workspace`; null = its own. */
  workspaceDir: string | null;
  workspaceAccess: WorkspaceAccess;
  /** The digest its runtime is pinned to, `sha256:…`; null = whatever the backend's image of the runtime is. */
  imageDigest: string | null;
  /** Secrets, names and addresses. Paths are the backend's, and cannot be overridden. */
  env: Record<string, string>;
  /** Written into the config directory before the start; paths are relative to it. */
  files: Record<string, string>;
  /** Null on a backend that does not deliver tokens: the agent gets its own when it registers. */
  authToken: string | null;
  inboundSecret: string;
  /** Forget the conversations the agent's framework keeps by itself (chapter 10 §2.1, `reset`). */
  resetSession: boolean;
  /**
   * Stores where the workload will answer. Called before the workload can register, and again when it had to move;
   * a rejection ends the start.
   */
  publish(url: string): Promise<void>;
  /** Stores what the backend learned. A rejection means that nobody would find the workload again: end it, by what is in memory. */
  record(facts: WorkloadFacts): Promise<void>;
}

/** A start that cannot succeed; the message is for people and names what to change, `details` go into the event. */
export class StartRefusedError extends Error {
  readonly details: Record<string, unknown>;
  constructor(message: string, details: Record<string, unknown> = {}) {
    super(message);
    this.name = 'StartRefusedError';
    this.details = details;
  }
}

/** A start that failed for a reason that may pass, and is tried again; the message is for people. */
export class StartBrokenOffError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'StartBrokenOffError';
  }
}

/** A stop or a newer start came first: nothing failed, and nothing was left running. */
export class OvertakenError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'OvertakenError';
  }
}

/** A workload ended without being asked to. */
export interface WorkloadExit {
  id: string;
  code: number | null;
  signal: string | null;
  /** What a person can act on, in the workload's own words; never empty. May hold what the workload should not have printed. */
  reason: string;
}

export interface Running {
  running: boolean;
  /** The backend is not sure: nobody may act destructively on this answer. */
  error?: Error;
}

export interface Adopted {
  kept: string[];
  /** Kept too, but looking for the platform where it is no longer: to be restarted. */
  stale: string[];
}

export interface Backend {
  readonly name: string;
  /**
   * Who sees a workload: `replica` = only the platform process that started it, so every replica watches its own;
   * `shared` = every replica, so that one of them watches all.
   */
  readonly scope: 'replica' | 'shared';
  /** Tokens are put where the workload finds them before it starts; false = register hands the first one out. */
  readonly deliversTokens: boolean;
  /** How often, and how many at a time, `isRunning` may be asked in a sweep. */
  readonly probe: { everyMs: number; parallel: number };
  /**
   * Waits between the tries to stop before a restart, in milliseconds. After the last one the restart goes on, and what could
   * not be stopped is told to be a suspected leak (chapter 10 §7.2). Absent = one try, which has to succeed.
   */
  readonly restartStopGapsMs?: readonly number[];
  /** @throws StartRefusedError, StartBrokenOffError, OvertakenError; anything else is a fault of the backend. */
  start(spec: WorkloadSpec): Promise<void>;
  /** Absent, never started and already stopping are success; rejects only when the workload may still run. */
  stop(id: string): Promise<void>;
  isRunning(id: string): Promise<Running>;
  /** Files for the config directory, kept until the next start. */
  writeFiles(id: string, files: Record<string, string>): Promise<void>;
  /** A file of the workload's config directory; null when it is not there. */
  readConfigFile(id: string, path: string): Promise<string | null>;
  /** Null when the backend keeps no log. */
  readLog(id: string, lines: number): Promise<{ lines: string[]; truncated: boolean } | null>;
  /** Ids of the workspaces that have something here: a workload or stored files. */
  listManaged(): Promise<string[]>;
  /** Deletes what the workload stored. Only after a successful stop. */
  removeVolumes(id: string): Promise<void>;
  /** Takes over what an earlier platform process left running; what `mayKeep` denies is ended. */
  adopt(mayKeep: (id: string) => Promise<boolean>): Promise<Adopted>;
  /** One cheap pass over the workloads whose end no event tells of. @returns how many those are. */
  supervise(): Promise<number>;
  /** @returns how many logs were cut. */
  rotateLogs(): Promise<number>;
  /** Refuses to start another; workloads that cannot outlive this process are ended. */
  shutdown(): Promise<void>;
  /** What the machine printed while booting; only backends with machines have it. Null = no machine yet. */
  readConsole?(id: string): Promise<string | null>;
  /** A shell beside the workload; null = it does not run. @throws NoTerminalError */
  openTerminal?(id: string, size: TerminalSize): Promise<Terminal | null>;
  /** The workload's own folders, whether it runs or not. */
  files?: FileStore;
  /**
   * What runs where others may run something too: ids by our label, and the first characters of the ids that names alone tell of
   * (chapter 10 §8, orphan passes 1 and 2). Absent = `listManaged` says it all.
   */
  listWorkloads?(): Promise<{ ids: string[]; prefixes: string[] }>;
  /** Ends a bounded number of workloads that may run although no row names them. @returns how many; those that failed come again. */
  settleDebts?(): Promise<number>;
  /** Only backends that run images. */
  images?: BackendImages;
}

/** Newer images of runtimes (chapter 10 §7.8); pinned workloads are none of its business. */
export interface BackendImages {
  /** Whether one is here, so that a newer one would matter. */
  has(runtime: string): Promise<boolean>;
  /** What the registry has now, `sha256:…`. @throws when it cannot be asked. */
  registryDigest(runtime: string): Promise<string>;
  pull(runtime: string, signal: AbortSignal): Promise<void>;
  /** Ends the workloads that follow the newest image of a runtime. @returns their workspaces. */
  recreate(runtime: string): Promise<string[]>;
}

/** What an unwired backend answers where it would have to act: an error, so it never means "dead". */
export class NoBackendError extends Error {
  constructor() {
    super('no provisioning backend is configured');
    this.name = 'NoBackendError';
  }
}

/** `MOLECULE_PROVISIONER=none`. */
export const noBackend: Backend = {
  name: 'none',
  scope: 'shared',
  deliversTokens: true,
  probe: { everyMs: 15_000, parallel: 1 },
  start: () => Promise.reject(new NoBackendError()),
  stop: async () => {},
  isRunning: async () => ({ running: false, error: new NoBackendError() }),
  writeFiles: async () => {},
  readConfigFile: async () => null,
  readLog: async () => null,
  listManaged: async () => [],
  removeVolumes: async () => {},
  adopt: async () => ({ kept: [], stale: [] }),
  supervise: async () => 0,
  rotateLogs: async () => 0,
  shutdown: async () => {},
};
