// The folder of one process workload (chapter 10 §7.5): its four volumes, its record and its log, and the environment that
// names them. Owns paths and files; the process itself is process.ts' business.

import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { StartRefusedError, type WorkloadSpec } from '../backend.ts';
import type { FileRoot } from '../file-store.ts';

const VOLUMES = ['configs', 'workspace', 'plugins', 'home'] as const;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** The runtime waits for its turn shorter than we wait for the runtime, so that it can say goodbye. */
const TURN_GRACE_SECONDS = 8;

type Placed = Pick<WorkloadSpec, 'id' | 'workspaceDir'>;

/** A reader never sees half a file, and nobody else sees any of it. */
function writePrivate(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  rmSync(`${path}.new`, { force: true });
  writeFileSync(`${path}.new`, content, { mode: 0o600, flag: 'wx' });
  renameSync(`${path}.new`, path);
}

function assertHostFolder(path: string): void {
  if (!statSync(path, { throwIfNoEntry: false })?.isDirectory())
    throw new StartRefusedError(`workspace_dir ${path} is not a folder on this machine`);
}

export function createProcessFolders(root: string) {
  const volume = (id: string, name: (typeof VOLUMES)[number]) => join(root, id, name);
  const config = (id: string, path: string) => join(volume(id, 'configs'), path);
  const workingFolder = (spec: Placed) => spec.workspaceDir ?? volume(spec.id, 'workspace');
  const seatPath = (id: string) => join(root, id, 'seat.json');

  /** The host directory its last start was given; null = its own folder. */
  function hostFolder(id: string): string | null {
    if (!existsSync(seatPath(id))) return null;
    return (JSON.parse(readFileSync(seatPath(id), 'utf8')) as { workspaceDir: string | null }).workspaceDir;
  }

  return {
    recordPath: (id: string) => join(root, id, 'process.json'),
    logPath: (id: string) => join(root, id, 'agent.log'),
    workingFolder,
    hostFolder,

    /** The folder behind a root of the files API, whether the workload ever ran or not. */
    fileRoot(id: string, name: FileRoot): string {
      return name === '/workspace' ? (hostFolder(id) ?? volume(id, 'workspace')) : join(root, id, name);
    },

    /** @throws StartRefusedError when the host directory of the seat is not there. */
    prepare(spec: WorkloadSpec): void {
      const { id } = spec;
      if (spec.workspaceDir !== null) assertHostFolder(spec.workspaceDir);
      for (const name of VOLUMES) mkdirSync(volume(id, name), { recursive: true, mode: 0o700 });
      writePrivate(seatPath(id), JSON.stringify({ workspaceDir: spec.workspaceDir }));
      if (spec.resetSession) rmSync(join(volume(id, 'home'), '.claude/sessions'), { recursive: true, force: true });
      for (const [path, content] of Object.entries(spec.files)) writePrivate(config(id, path), content);
      // Credentials lie there before the process does, so it never starts without them.
      if (spec.authToken !== null) writePrivate(config(id, '.auth_token'), spec.authToken);
      writePrivate(config(id, '.platform_inbound_secret'), spec.inboundSecret);
    },

    /** What the backend itself sets; comes last, so that no secret can point an agent at another one's files. */
    environment(spec: Placed & { resetSession: boolean }, port: number): Record<string, string> {
      const configs = volume(spec.id, 'configs');
      const home = volume(spec.id, 'home');
      return {
        WORKSPACE_ID: spec.id,
        WORKSPACE_CONFIG_PATH: configs,
        CONFIGS_DIR: configs,
        MOLECULE_WORKSPACE_ROOT: workingFolder(spec),
        PLUGINS_DIR: volume(spec.id, 'plugins'),
        HOME: home,
        // Not under configs: every change there makes the runtime read its configuration again.
        DELEGATION_RESULTS_FILE: join(home, 'delegation_results.jsonl'),
        AUDIT_LOG_PATH: join(home, 'audit.jsonl'),
        AUDIT_LEDGER_DB: join(home, 'audit-ledger.db'),
        AGENT_SNAPSHOT_PATH: join(configs, '.agent_snapshot.json'),
        SHUTDOWN_GRACE_S: String(TURN_GRACE_SECONDS),
        PORT: String(port),
        ...(spec.resetSession ? { WORKSPACE_RESET_SESSION: '1' } : {}),
      };
    },

    writeConfigFiles(id: string, files: Record<string, string>): void {
      for (const [path, content] of Object.entries(files)) writePrivate(config(id, path), content);
    },

    readConfigFile(id: string, path: string): string | null {
      return existsSync(config(id, path)) ? readFileSync(config(id, path), 'utf8') : null;
    },

    list: (): string[] => (existsSync(root) ? readdirSync(root).filter((name) => UUID.test(name)) : []),

    remove(id: string): void {
      rmSync(join(root, id), { recursive: true, force: true });
    },
  };
}

export type ProcessFolders = ReturnType<typeof createProcessFolders>;
