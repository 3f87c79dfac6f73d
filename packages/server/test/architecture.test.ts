// The rules of ARCHITECTURE.md that a compiler does not check. The layers are read from that page, so it cannot rot.

import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../../..');
const SERVER = join(ROOT, 'packages/server/src');
const MOST_LINES = 400;
/** A suite is read case by case. */
const MOST_TEST_LINES = 600;

interface Source {
  /** Relative to the server's src. */
  path: string;
  /** The folder it lies in; '' for those beside the folders. */
  domain: string;
  text: string;
  imports: string[];
}

function listFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (['node_modules', 'dist', 'testing'].includes(entry.name)) return [];
    const path = join(folder, entry.name);
    return entry.isDirectory() ? listFiles(path) : [path];
  });
}

/** Comments out, so that prose about a rule does not break it. */
const codeOf = (text: string) => text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
const domainOf = (path: string) => (path.includes('/') ? (path.split('/')[0] ?? '') : '');
const isTest = (path: string) => /\.test\.tsx?$/.test(path);

const sources: Source[] = listFiles(SERVER)
  .map((file) => relative(SERVER, file))
  .filter((path) => path.endsWith('.ts') && !isTest(path))
  .map((path) => {
    const text = readFileSync(join(SERVER, path), 'utf8');
    const imports = [...text.matchAll(/\b(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map(([, target]) =>
      normalize(join(dirname(path), target ?? '')),
    );
    return { path, domain: domainOf(path), text, imports };
  });

/** Folder → layer, as the picture on the page draws it. */
const layers = new Map(
  [...readFileSync(join(ROOT, 'ARCHITECTURE.md'), 'utf8').matchAll(/^ {3}(\d) {2}([a-z]+(?: [a-z]+)*) {2,}/gm)].flatMap(
    ([, layer, names]) => (names ?? '').split(' ').map((name): [string, number] => [name, Number(layer)]),
  ),
);

const linesWith = (pattern: RegExp, among: Source[]) =>
  among.flatMap(({ path, text }) =>
    codeOf(text)
      .split('\n')
      .filter((line) => pattern.test(line))
      .map((line) => `${path}: ${line.trim()}`),
  );

describe('layers', () => {
  it('every folder has its layer on the page, and the page names no other', () => {
    expect([...layers.keys()].sort()).toEqual(
      [...new Set(sources.map((source) => source.domain))].filter(Boolean).sort(),
    );
  });

  it('a folder imports itself, platform, and the index of what lies below it', () => {
    const wrong = sources.flatMap(({ path, domain, imports }) =>
      imports
        .filter((target) => {
          const to = domainOf(target);
          if (domain === '' || to === domain) return false;
          if (to === 'platform') return false;
          if (to === '') return target !== 'config.ts' || domain === 'platform';
          return !target.endsWith('/index.ts') || (layers.get(to) ?? 99) >= (layers.get(domain) ?? 0);
        })
        .map((target) => `${path} imports ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it('the contract is free of I/O, and packages meet only where they should', () => {
    const allowed: Record<string, RegExp> = {
      contract: /^(zod|\.)/,
      canvas: /^(?!@molecule\/(server|runtime|testkit|cli))/,
      runtime: /^(?!@molecule\/(server|canvas|testkit|cli))/,
      cli: /^(?!@molecule\/(canvas|testkit))/,
      server: /^(?!@molecule\/(canvas|testkit|cli))/,
    };
    const wrong = Object.entries(allowed).flatMap(([name, pattern]) =>
      listFiles(join(ROOT, 'packages', name, 'src'))
        .filter((file) => /\.tsx?$/.test(file) && !isTest(file))
        .flatMap((file) =>
          [...readFileSync(file, 'utf8').matchAll(/^(?:import|export)\b[^;]*?\bfrom '([^']+)'/gm)]
            .filter(([, target]) => !pattern.test(target ?? ''))
            .map(([, target]) => `${relative(ROOT, file)} imports ${target}`),
        ),
    );
    expect(wrong).toEqual([]);
  });
});

describe('places', () => {
  const outside = (...allowed: RegExp[]) => sources.filter(({ path }) => !allowed.some((place) => place.test(path)));

  it('SQL stands in store.ts; elsewhere only expressions for a transition', () => {
    const among = outside(/^platform\//, /\/store\.ts$/);
    const statements = among.flatMap(({ path, text }) =>
      [...codeOf(text).matchAll(/sql(?:<[^`]*?>)?`([^`]*)`/g)]
        .filter(([, statement]) => /\b(select|insert into|update|delete from|with)\b/i.test(statement ?? ''))
        .map(([statement]) => `${path}: ${statement}`),
    );
    expect(statements).toEqual([]);
    expect(
      linesWith(/\.(selectFrom|insertInto|updateTable|deleteFrom|withRecursive)\(|\bpool\.query\(/, among),
    ).toEqual([]);
  });

  it('the environment is read in config.ts', () => {
    expect(linesWith(/process\.env/, outside(/^config\.ts$/))).toEqual([]);
  });

  it('timers belong to the supervisor; deadlines of single calls, the store and the last resort of a shutdown have theirs', () => {
    const among = outside(/^platform\/(loops|deadline)\.ts$/, /^platform\/db\//, /^main\.ts$/);
    expect(linesWith(/\b(setTimeout|setInterval)\b|timers\/promises/, among)).toEqual([]);
  });

  it('a status is written by the lifecycle helper alone', () => {
    const tables = 'workspaces|agents|a2a_queue|delegations';
    const among = outside(/^platform\/lifecycle\.ts$/);
    const statements = among.flatMap(({ path, text }) => {
      const code = codeOf(text);
      const raw = [...code.matchAll(new RegExp(`update (?:${tables})\\b[^\`]*?\\bset\\b([^\`]*)`, 'gi'))];
      const built = [
        ...code.matchAll(
          new RegExp(`updateTable\\('(?:${tables})'\\)[\\s\\S]{0,400}?\\.set\\(([\\s\\S]{0,400}?)\\)`, 'g'),
        ),
      ];
      return [
        // Up to the condition, where a status may well be compared.
        ...raw.filter(([, sets]) => /(?<![.\w])status\s*=/i.test((sets ?? '').split(/\bwhere\b/i)[0] ?? '')),
        ...built.filter(([, sets]) => /\bstatus\s*:/.test(sets ?? '')),
      ].map(([statement]) => `${path}: ${statement.slice(0, 120)}`);
    });
    expect(statements).toEqual([]);
  });
});

describe('files', () => {
  const files = ['packages', 'scripts', 'e2e', 'bench']
    .flatMap((folder) => listFiles(join(ROOT, folder)))
    .filter((file) => /\.(tsx?|mjs)$/.test(file) && !file.endsWith('/tables.ts'));

  it('are short enough to be read', () => {
    const long = files
      .map((file) => ({ file: relative(ROOT, file), lines: readFileSync(file, 'utf8').split('\n').length }))
      .filter(({ file, lines }) => lines > (/\.(test|spec)\.tsx?$/.test(file) ? MOST_TEST_LINES : MOST_LINES));
    expect(long).toEqual([]);
  });

  it('that tests share register no hook as they load: they load once for many test files, and only the first would have it', () => {
    const registers = (file: string) => /^(before|after)(Each|All)\(/m.test(readFileSync(file, 'utf8'));
    const shared = files.filter((file) => !/\.(test|spec)\.tsx?$/.test(file));
    expect(shared.filter(registers).map((file) => relative(ROOT, file))).toEqual([]);
  });

  it('of the server say first what they own', () => {
    expect(sources.filter(({ text }) => !text.startsWith('//')).map(({ path }) => path)).toEqual([]);
  });
});
