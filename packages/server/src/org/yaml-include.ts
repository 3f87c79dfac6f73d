// `!include` in organisation templates (chapter 30 §2.2): a tagged scalar is replaced by the file it names.
// Paths are relative to the including file; the resolved path, links followed, must stay inside the template's folder.

import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path';
import { parse, type ScalarTag } from 'yaml';

const MOST_DEPTH = 16;
/** A template of files that include each other twice over would otherwise grow without end. */
const MOST_INCLUDES = 1_000;

/** Why a template cannot be used; the message is shown to people. */
export class TemplateError extends Error {}

class Include {
  readonly path: string;
  constructor(path: string) {
    this.path = path;
  }
}

const includeTag: ScalarTag = { tag: '!include', resolve: (text) => new Include(text.trim()) };

function parseYaml(text: string, name: string): unknown {
  try {
    return parse(text, { customTags: [includeTag], merge: true });
  } catch (error) {
    throw new TemplateError(`${name} is not valid YAML: ${(error as Error).message.split('\n')[0]}`);
  }
}

function assertInside(root: string, path: string, shown: string): void {
  const below = relative(root, path);
  if (below === '..' || below.startsWith(`..${sep}`) || isAbsolute(below))
    throw new TemplateError(`include ${shown} leaves the template folder`);
}

function readFile(path: string, shown: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new TemplateError(`${shown} cannot be read (${(error as { code?: string }).code ?? 'unknown error'})`);
  }
}

/** Parses a file of a template with all its includes. @throws TemplateError */
export function loadYaml(rootFolder: string, file: string): unknown {
  const root = realpathSync(rootFolder);
  let loaded = 0;

  /** @param trail the including files, this one not among them. */
  function load(path: string, trail: readonly string[]): unknown {
    if (trail.length > MOST_DEPTH) throw new TemplateError(`includes are nested deeper than ${MOST_DEPTH}`);
    loaded += 1;
    if (loaded > MOST_INCLUDES) throw new TemplateError(`the template includes more than ${MOST_INCLUDES} files`);
    const name = relative(root, path);
    return expand(parseYaml(readFile(path, name), name), path, [...trail, path]);
  }

  function expand(value: unknown, from: string, trail: readonly string[]): unknown {
    if (value instanceof Include) return include(value.path, from, trail);
    if (Array.isArray(value)) return value.map((item) => expand(item, from, trail));
    if (value !== null && typeof value === 'object')
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, expand(item, from, trail)]));
    return value;
  }

  function include(path: string, from: string, trail: readonly string[]): unknown {
    if (path === '') throw new TemplateError('an include names no file');
    const wanted = resolve(dirname(from), path);
    assertInside(root, wanted, path);
    if (!existsSync(wanted)) throw new TemplateError(`include ${path} does not exist`);
    const real = realpathSync(wanted);
    assertInside(root, real, path);
    if (trail.includes(real)) throw new TemplateError(`include ${path} forms a cycle`);
    return load(real, trail);
  }

  return load(realpathSync(file), []);
}

/** An inline template has no folder, so an include in it leads nowhere. */
export function assertNoIncludes(value: unknown): void {
  if (typeof value === 'string' && value.startsWith('!include'))
    throw new TemplateError('an inline template cannot include files');
  if (value !== null && typeof value === 'object') for (const item of Object.values(value)) assertNoIncludes(item);
}
