// Workspace templates: folders under the configs root, each with a `config.yaml` (chapter 10 §1.1, §2.1, chapter 40 §3).
// Owns reading them safely. What is written into a workload is the pipeline's business.

import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import { parse } from 'yaml';
import { PlatformError } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';

const MOST_FILES = 2_000;
const MOST_BYTES = 16 * 1024 * 1024;

/** What a template says of itself. */
export interface TemplateConfig {
  runtime?: string;
  model?: string;
  tier?: number;
}

export interface Templates {
  /** Empty when the folder is not there. @throws invalid_template */
  read(name: string): TemplateConfig;
  /** Files of this very template; null when there is none with a `config.yaml`. */
  filesOf(name: string): Record<string, string> | null;
  /** Files of the named template, else of `<runtime>-default`, else of `<runtime>`; null when none has a `config.yaml`. */
  findFiles(name: string | null, runtime: string): Record<string, string> | null;
  /** The folder whose name is the workspace's, normalised, or whose `config.yaml` says that name; null when there is none. */
  findFolder(workspaceName: string): string | null;
  /** The largest `provision_timeout_seconds` any template declares for the runtime. */
  provisionTimeoutMs(runtime: string): number | undefined;
  /** Every runtime with such a declaration, in milliseconds. */
  deadlines(): ReadonlyMap<string, number>;
}

export interface ParsedConfig extends TemplateConfig {
  requiredEnv: string[];
  provisionTimeoutSeconds: number | null;
}

/** As an imported template's folder is named (chapter 30 §3.2). */
const normalizeName = (name: string) =>
  name
    .toLowerCase()
    .replaceAll(' ', '-')
    .replace(/[^a-z0-9_-]/g, '') || 'unnamed';

const isInside = (root: string, path: string) => {
  const way = relative(root, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
};

/**
 * A path from outside, under `root` with links followed.
 * @returns null when it is empty, absolute or leaves the root; a path that does not exist is judged by its text.
 */
export function resolveInside(root: string, path: string): string | null {
  if (path.trim() === '' || isAbsolute(path) || path.includes('\0')) return null;
  const target = resolve(root, path);
  if (!isInside(resolve(root), target)) return null;
  if (!existsSync(target)) return target;
  const real = realpathSync(target);
  return isInside(realpathSync(root), real) ? real : null;
}

/** Every text file below a folder by its relative path; hidden files and links stay behind. @throws invalid_template beyond the limits. */
export function readTextFiles(folder: string): Record<string, string> {
  const files: Record<string, string> = {};
  let count = 0;
  let bytes = 0;
  const walk = (path: string): void => {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      if (entry.name.startsWith('.')) continue;
      const full = join(path, entry.name);
      if (entry.isDirectory()) walk(full);
      else if (entry.isFile()) {
        count += 1;
        bytes += statSync(full).size;
        if (count > MOST_FILES || bytes > MOST_BYTES)
          throw new PlatformError(
            'invalid_template',
            `a template folder may hold ${MOST_FILES} files and ${MOST_BYTES / 1024 / 1024} MiB`,
          );
        files[relative(folder, full).split(sep).join('/')] = readFileSync(full, 'utf8');
      }
    }
  };
  walk(folder);
  return files;
}

const listNames = (value: unknown) =>
  Array.isArray(value) ? value.filter((name): name is string => typeof name === 'string' && name !== '') : [];

/** @throws Error when the text is not a YAML mapping. */
export function parseConfig(text: string): ParsedConfig {
  const parsed: unknown = parse(text);
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw new Error('not a YAML mapping');
  const { runtime, model, tier, runtime_config, env } = parsed as {
    runtime?: unknown;
    model?: unknown;
    tier?: unknown;
    runtime_config?: { model?: unknown; required_env?: unknown; provision_timeout_seconds?: unknown } | null;
    env?: { required?: unknown } | null;
  };
  const wanted = runtime_config?.model ?? model;
  const seconds = runtime_config?.provision_timeout_seconds;
  return {
    ...(typeof runtime === 'string' ? { runtime } : {}),
    ...(typeof wanted === 'string' && wanted !== '' ? { model: wanted } : {}),
    ...(typeof tier === 'number' && tier >= 1 && tier <= 4 ? { tier } : {}),
    requiredEnv: [...new Set([...listNames(runtime_config?.required_env), ...listNames(env?.required)])],
    provisionTimeoutSeconds: typeof seconds === 'number' && seconds > 0 ? seconds : null,
  };
}

export function createTemplates(root: string, log: Logger): Templates {
  let timeouts: Map<string, number> | null = null;

  function locate(name: string): string | null {
    const folder = resolveInside(root, name);
    return folder && existsSync(join(folder, 'config.yaml')) ? folder : null;
  }

  function filesOf(name: string): Record<string, string> | null {
    const folder = locate(name);
    return folder === null ? null : readTextFiles(folder);
  }

  function says(folder: string, name: string): boolean {
    try {
      const parsed = parse(readFileSync(join(folder, 'config.yaml'), 'utf8')) as { name?: unknown } | null;
      return parsed?.name === name;
    } catch {
      // One that cannot be read is nobody's.
      return false;
    }
  }

  /** Once per process; what cannot be read is skipped. */
  function scanTimeouts(): Map<string, number> {
    const found = new Map<string, number>();
    if (!existsSync(root)) return found;
    for (const entry of readdirSync(root, { withFileTypes: true })) {
      const path = join(root, entry.name, 'config.yaml');
      if (!entry.isDirectory() || !existsSync(path)) continue;
      try {
        const { runtime, provisionTimeoutSeconds } = parseConfig(readFileSync(path, 'utf8'));
        if (!runtime || provisionTimeoutSeconds === null) continue;
        found.set(runtime, Math.max(found.get(runtime) ?? 0, Math.round(provisionTimeoutSeconds * 1000)));
      } catch (error) {
        log.warn({ err: error, path }, 'a workspace template cannot be read; it is skipped');
      }
    }
    return found;
  }

  return {
    read(name) {
      if (resolveInside(root, name) === null)
        throw new PlatformError('invalid_template', 'template: must be the name of a folder under the templates', {
          field: 'template',
        });
      const folder = locate(name);
      if (!folder) return {};
      try {
        const { runtime, model, tier } = parseConfig(readFileSync(join(folder, 'config.yaml'), 'utf8'));
        return {
          ...(runtime === undefined ? {} : { runtime }),
          ...(model === undefined ? {} : { model }),
          ...(tier === undefined ? {} : { tier }),
        };
      } catch (error) {
        log.warn({ err: error, template: name }, 'a workspace template cannot be parsed');
        throw new PlatformError('invalid_template', `template: the config.yaml of ${name} cannot be parsed`, {
          field: 'template',
        });
      }
    },
    filesOf,
    findFolder(workspaceName) {
      const byFolder = locate(normalizeName(workspaceName));
      if (byFolder || !existsSync(root)) return byFolder;
      return (
        readdirSync(root, { withFileTypes: true })
          .filter((entry) => entry.isDirectory())
          .map((entry) => join(root, entry.name))
          .find((folder) => says(folder, workspaceName)) ?? null
      );
    },
    findFiles(name, runtime) {
      const folder = [name, `${runtime}-default`, runtime]
        .map((candidate) => (candidate === null ? null : locate(candidate)))
        .find((found) => found !== null);
      return folder ? readTextFiles(folder) : null;
    },
    deadlines() {
      timeouts ??= scanTimeouts();
      return timeouts;
    },
    provisionTimeoutMs(runtime) {
      timeouts ??= scanTimeouts();
      return timeouts.get(runtime);
    },
  };
}
