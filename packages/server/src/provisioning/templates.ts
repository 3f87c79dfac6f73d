// Workspace templates: folders under the configs root, each with a `config.yaml` (chapter 10 §1.1, §2.1, chapter 40 §3).
// Owns reading them safely. What is written into a workload is the pipeline's business.

import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { parse } from 'yaml';
import { PlatformError } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import type { ConfigFile } from './backend.ts';

const MOST_FILES = 2_000;
const MOST_BYTES = 16 * 1024 * 1024;

const refuse = (message: string) => new PlatformError('invalid_template', message, { field: 'template' });

/**
 * A path from outside, resolved under `root` and followed through symbolic links.
 * @returns null when it is empty, absolute or leaves the root; a path that does not exist is judged by its text.
 */
export function resolveInside(root: string, path: string): string | null {
  if (path.trim() === '' || isAbsolute(path) || path.includes('\0')) return null;
  const target = resolve(root, path);
  const isInside = (base: string, candidate: string) => {
    const way = relative(base, candidate);
    return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
  };
  if (!isInside(resolve(root), target)) return null;
  if (!existsSync(target)) return target;
  const real = realpathSync(target);
  return isInside(realpathSync(root), real) ? real : null;
}

/** Every regular file below a folder; hidden files and links stay behind. @throws invalid_template for a folder beyond the limits. */
export function listFolderFiles(folder: string): ConfigFile[] {
  const files: ConfigFile[] = [];
  let bytes = 0;
  const walk = (path: string) => {
    for (const entry of readdirSync(path, { withFileTypes: true }).sort((a, b) => a.name.localeCompare(b.name))) {
      if (entry.name.startsWith('.')) continue;
      const full = join(path, entry.name);
      if (entry.isDirectory()) walk(full);
      else if (entry.isFile()) {
        bytes += statSync(full).size;
        if (files.length >= MOST_FILES || bytes > MOST_BYTES)
          throw refuse(`a template folder may hold ${MOST_FILES} files and ${MOST_BYTES / 1024 / 1024} MiB`);
        files.push({ path: relative(folder, full).split(sep).join('/'), content: readFileSync(full) });
      }
    }
  };
  walk(folder);
  return files;
}

export interface TemplateFacts {
  runtime?: string;
  model?: string;
  tier?: number;
}

export interface WorkspaceTemplates {
  /** What a template says of itself; empty when the folder is not there. @throws invalid_template */
  read(name: string): TemplateFacts;
  /** Files of the first of these templates that has a `config.yaml`; null when none has. */
  findFiles(names: readonly (string | null)[]): { name: string; files: ConfigFile[] } | null;
  /** Largest `provision_timeout_seconds` any template declares for the runtime, in milliseconds. */
  provisionTimeoutMs(runtime: string): number | undefined;
}

interface ParsedConfig {
  runtime?: unknown;
  model?: unknown;
  tier?: unknown;
  runtime_config?: { model?: unknown; provision_timeout_seconds?: unknown } | null;
}

function parseConfig(path: string): ParsedConfig {
  const parsed: unknown = parse(readFileSync(path, 'utf8'));
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new Error('not a mapping');
  return parsed as ParsedConfig;
}

export function createWorkspaceTemplates(root: string, log: Logger): WorkspaceTemplates {
  let timeouts: Map<string, number> | null = null;

  function locate(name: string): string | null {
    const folder = resolveInside(root, name);
    return folder && existsSync(join(folder, 'config.yaml')) ? folder : null;
  }

  /** Once per process; what cannot be read is skipped. */
  function scanTimeouts(): Map<string, number> {
    const found = new Map<string, number>();
    if (!existsSync(root)) return found;
    for (const entry of readdirSync(root, { withFileTypes: true })) {
      const path = join(root, entry.name, 'config.yaml');
      if (!entry.isDirectory() || !existsSync(path)) continue;
      try {
        const { runtime, runtime_config } = parseConfig(path);
        const seconds = runtime_config?.provision_timeout_seconds;
        if (typeof runtime !== 'string' || typeof seconds !== 'number' || !(seconds > 0)) continue;
        found.set(runtime, Math.max(found.get(runtime) ?? 0, Math.round(seconds * 1000)));
      } catch (error) {
        log.warn({ err: error, path }, 'a workspace template cannot be read; it is skipped');
      }
    }
    return found;
  }

  return {
    read(name) {
      if (resolveInside(root, name) === null) throw refuse('template: must be the name of a folder under the templates');
      const folder = locate(name);
      if (!folder) return {};
      try {
        const { runtime, model, tier, runtime_config } = parseConfig(join(folder, 'config.yaml'));
        const wanted = runtime_config?.model ?? model;
        return {
          ...(typeof runtime === 'string' ? { runtime } : {}),
          ...(typeof wanted === 'string' && wanted !== '' ? { model: wanted } : {}),
          ...(typeof tier === 'number' && tier >= 1 && tier <= 4 ? { tier } : {}),
        };
      } catch (error) {
        log.warn({ err: error, template: name }, 'a workspace template cannot be parsed');
        throw refuse(`template: the config.yaml of ${name} cannot be parsed`);
      }
    },
    findFiles(names) {
      for (const name of names) {
        const folder = name === null ? null : locate(name);
        if (name !== null && folder) return { name, files: listFolderFiles(folder) };
      }
      return null;
    },
    provisionTimeoutMs(runtime) {
      timeouts ??= scanTimeouts();
      return timeouts.get(runtime);
    },
  };
}
