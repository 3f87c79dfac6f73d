// A platform with process seats and a folder of organisation templates of its own, for tests of the import.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import { type ProcessSeats, startProcessSeats } from './process-seats.ts';

type WorkspaceRow = Awaited<ReturnType<ProcessSeats['row']>>;
type ImportResult = Awaited<ReturnType<ProcessSeats['admin']['importOrg']>>;

export interface OrgStage {
  seats: ProcessSeats;
  /** The configs root; organisation templates lie in `orgs` below it. */
  root: string;
  /** Messages of the platform's log so far. */
  logged: string[];
  /** @returns the folder's name, for the import. */
  writeTemplate(dir: string, files: Record<string, string>): string;
  importDir(dir: string): Promise<ImportResult>;
  importInline(template: Record<string, unknown>): Promise<ImportResult>;
  rows(): Promise<WorkspaceRow[]>;
  named(name: string): Promise<WorkspaceRow>;
  /** The parsed config.yaml of a seat. */
  configOf(id: string): Record<string, unknown>;
  /** Deletes every workspace. */
  clear(): Promise<void>;
  stop(): Promise<void>;
}

/** A node whose agent is the scripted stand-in. */
export const leaf = (name: string, more: Record<string, unknown> = {}) => ({ name, runtime: 'echo', ...more });

/** A reference in a template's text, as YAML holds it. */
export const variable = (name: string) => `$\{${name}}`;

export async function startOrgStage(env: Record<string, string> = {}): Promise<OrgStage> {
  const root = mkdtempSync(join(tmpdir(), 'molecule-orgs-'));
  mkdirSync(join(root, 'orgs'));
  const logged: string[] = [];
  const seats = await startProcessSeats({
    env: { CONFIGS_DIR: root, ...env },
    onLog: (line) => logged.push(String(line.msg)),
  });
  const rows = () => seats.admin.listWorkspaces();
  return {
    seats,
    root,
    logged,
    writeTemplate(dir, files) {
      for (const [path, text] of Object.entries(files)) {
        mkdirSync(dirname(join(root, 'orgs', dir, path)), { recursive: true });
        writeFileSync(join(root, 'orgs', dir, path), text);
      }
      return dir;
    },
    importDir: (dir) => seats.admin.importOrg({ body: { dir } }),
    importInline: (template) => seats.admin.importOrg({ body: { template } }),
    rows,
    async named(name) {
      const found = (await rows()).find((row) => row.name === name);
      if (!found) throw new Error(`${name} was not created`);
      return found;
    },
    configOf: (id) => parse(readFileSync(seats.folder(id, 'configs', 'config.yaml'), 'utf8')),
    async clear() {
      for (const { id } of (await rows()).filter((row) => row.parent_id === null))
        await seats.admin.deleteWorkspace({ params: { id }, query: { confirm: true, purge: true } });
    },
    async stop() {
      await seats.stop();
      rmSync(root, { recursive: true, force: true });
    },
  };
}
