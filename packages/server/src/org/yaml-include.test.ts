import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { INCLUDE_CORPUS, type IncludeCase } from './include-corpus.ts';
import { assertNoIncludes, loadYaml, TemplateError } from './yaml-include.ts';

let parent: string;

beforeAll(() => {
  parent = mkdtempSync(join(tmpdir(), 'molecule-includes-'));
});
afterAll(() => rmSync(parent, { recursive: true, force: true }));

/** Writes the case into a folder of its own. @returns the template's root. */
function write({ files, links = {} }: IncludeCase, index: number): string {
  const root = join(parent, String(index), 'template');
  mkdirSync(root, { recursive: true });
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  for (const [path, target] of Object.entries(links)) symlinkSync(target, join(root, path));
  return root;
}

describe('!include', () => {
  it.each(INCLUDE_CORPUS.map((one, index) => ({ ...one, index })))('$name', (one) => {
    const root = write(one, one.index);
    const load = () => loadYaml(root, join(root, 'org.yaml'));
    if (one.refused) {
      expect(load).toThrow(TemplateError);
      expect(load).toThrow(one.refused);
    } else expect(load()).toEqual(one.becomes);
  });

  it('leads nowhere in an inline template, at any depth', () => {
    expect(() => assertNoIncludes({ workspaces: [{ children: ['!include x.yaml'] }] })).toThrow(TemplateError);
    expect(() => assertNoIncludes({ name: 'how to !include things', workspaces: [] })).not.toThrow();
  });
});
