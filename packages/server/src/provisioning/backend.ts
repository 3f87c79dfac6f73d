// What the platform asks of whatever runs the workloads (chapter 10 §7.1). One file per backend implements it.
// Owns the shapes only; when to start, stop or give up is the dispatcher's business.

export interface WorkloadSpec {
  id: string;
  name: string;
  tier: number;
  /** Host directory that replaces the workload's own `/workspace`; null = its own. */
  workspaceDir: string | null;
  /** Secrets, names and addresses. Paths are the backend's, and cannot be overridden. */
  env: Record<string, string>;
  /** Written into the config directory before the start; paths are relative to it. */
  files: Record<string, string>;
  authToken: string;
  inboundSecret: string;
  /** Forget the conversations the agent's framework keeps by itself (chapter 10 §2.1, `reset`). */
  resetSession: boolean;
  /**
   * Stores where the workload will answer. Called before the workload can register, and again when it had to move;
   * a rejection ends the start.
   */
  publish(url: string): Promise<void>;
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
  /** @throws StartRefusedError, OvertakenError; anything else is a fault of the backend. */
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
  /** Ends every workload, and refuses to start another. */
  shutdown(): Promise<void>;
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
