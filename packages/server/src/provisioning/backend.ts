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
}

/** A workload ended without being asked to. */
export interface WorkloadExit {
  id: string;
  code: number | null;
  signal: string | null;
  /** What a person can act on; never empty. */
  reason: string;
}

export interface Running {
  running: boolean;
  /** The backend is not sure: nobody may act destructively on this answer. */
  error?: Error;
}

export interface Backend {
  readonly name: string;
  /** @returns where the workload will answer. Rejects when it could not be launched. */
  start(spec: WorkloadSpec): Promise<{ url: string }>;
  /** Absent, never started and already stopping are success; rejects only when the workload may still run. */
  stop(id: string): Promise<void>;
  isRunning(id: string): Promise<Running>;
  /** A file of the workload's config directory; null when it is not there. */
  readConfigFile(id: string, path: string): Promise<string | null>;
  /** Null when the backend keeps no log. */
  readLog(id: string, lines: number): Promise<{ lines: string[]; truncated: boolean } | null>;
  /** Deletes what the workload stored. Only after a successful stop. */
  removeVolumes(id: string): Promise<void>;
  /** Takes over what an earlier platform process left running; what `isKnown` denies is ended. @returns the ids kept. */
  adopt(isKnown: (id: string) => Promise<boolean>): Promise<string[]>;
  /** Ends every workload. */
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
  readConfigFile: async () => null,
  readLog: async () => null,
  removeVolumes: async () => {},
  adopt: async () => [],
  shutdown: async () => {},
};
