// What the platform asks of whatever runs the workloads (chapter 10 §7.1). One file per backend implements it.
// Owns the shapes only; when to start, stop or give up is the dispatcher's business.

/** A file under the workload's config directory; `path` is relative to it. */
export interface ConfigFile {
  path: string;
  content: string | Buffer;
  /** Credentials are 0600; everything else 0644. */
  secret?: boolean;
}

export interface StartSpec {
  id: string;
  name: string;
  tier: number;
  /** What the backend cannot know: secrets, names, model keys. The backend adds addresses and paths, which cannot be overridden. */
  env: Readonly<Record<string, string>>;
  /** Absolute host directory that replaces the workload's own `/workspace`; null = its own. */
  workspaceDir: string | null;
  /** Config files and credentials, in place before the workload runs. */
  files: readonly ConfigFile[];
  /**
   * Stores the address the workload will answer at. Called before the workload can register, and again when the address
   * had to change; a rejection ends the start.
   */
  publish(url: string): Promise<void>;
}

/** A workload ended without being asked to. */
export interface WorkloadExit {
  id: string;
  code: number | null;
  signal: string | null;
  uptimeMs: number;
  /** What it said last, for a person; empty when it said nothing. */
  reason: string;
}

export interface RunningReport {
  running: boolean;
  /** Set when the backend is not sure: `running` is then true, and nobody may act destructively. */
  error?: Error;
}

export interface LogTail {
  lines: string[];
  truncated: boolean;
}

export interface Backend {
  readonly name: string;
  /** Rejects when the workload could not be launched. */
  start(spec: StartSpec): Promise<void>;
  /** Absent, never started and already stopping are success; rejects only when the workload may still run. */
  stop(id: string): Promise<void>;
  isRunning(id: string): Promise<RunningReport>;
  /** A file of the workload's config directory; null when it is not there. */
  readConfig(id: string, path: string): Promise<string | null>;
  writeConfig(id: string, files: readonly ConfigFile[]): Promise<void>;
  /** Null when the backend keeps no log. */
  readLog(id: string, lines: number): Promise<LogTail | null>;
  /** Ids of the workspaces that have something here: a process, a directory. */
  listManaged(): Promise<string[]>;
  /** Deletes what the workload stored here. Only after `stop` succeeded. */
  removeVolume(id: string): Promise<void>;
  /** Takes over what an earlier platform process left running, and ends what it cannot name. */
  adopt(): Promise<{ adopted: number; reaped: number }>;
  /** One cheap pass: exits no event tells of, log rotation. */
  supervise(): Promise<void>;
  onExit(listener: (exit: WorkloadExit) => void): void;
  /** Ends every workload. */
  shutdown(): Promise<void>;
}

/** The answer of a backend that is not wired: an error, so it never means "dead". */
export class NoBackendError extends Error {
  constructor() {
    super('no provisioning backend is configured');
    this.name = 'NoBackendError';
  }
}
