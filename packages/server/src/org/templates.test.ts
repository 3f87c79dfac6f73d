// Listing templates, and those that ship: valid, importable, and what their words promise.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { startPlatform, type TestPlatform } from '@molecule/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { createLog } from '../platform/log.ts';
import { parseConfig } from '../provisioning/templates.ts';
import { collectEnv, findOrgFile, loadTemplate, type OrgTemplate, parseTemplate, walkNodes } from './template.ts';

const SHIPPED = join(import.meta.dirname, '../../../../templates');
const log = createLog('silent');
let root: string;
let test: TestPlatform;
const warnings: Record<string, unknown>[] = [];

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, 'orgs', path)), { recursive: true });
  writeFileSync(join(root, 'orgs', path), text);
}

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'molecule-orgs-'));
  mkdirSync(join(root, 'orgs'));
  test = await startPlatform({ env: { CONFIGS_DIR: root }, onLog: (line) => line.level === 40 && warnings.push(line) });
});
afterAll(async () => {
  await test?.stop();
  rmSync(root, { recursive: true, force: true });
});

describe('GET /org/templates', () => {
  it('counts descendants after include expansion; broken ones are skipped with a warning, loose files ignored', async () => {
    write(
      'good/org.yaml',
      'name: Good\ndescription: of all\nworkspaces:\n  - name: A\n    children:\n      - !include b.yaml\n',
    );
    write('good/b.yaml', 'name: B\nchildren: [{name: C}, {name: D}]');
    write('broken/org.yaml', 'name: [');
    write('lost/org.yaml', 'name: X\nworkspaces: [!include gone.yaml]');
    write('README.md', 'not a folder');
    write('empty/notes.md', 'no org file');
    const list = await test.admin.listOrgTemplates();
    expect(list).toEqual([
      { dir: 'good', name: 'Good', description: 'of all', workspaces: 4, required_env: [], recommended_env: [] },
    ]);
    expect(warnings.map(({ dir }) => dir)).toEqual(['broken', 'lost']);
  });

  it('30.46 a folder with version control data but no org file is not listed, and a warning names it', async () => {
    warnings.length = 0;
    write('checkout/.git/HEAD', 'ref: refs/heads/main');
    expect((await test.admin.listOrgTemplates()).map(({ dir }) => dir)).toEqual(['good']);
    expect(warnings.find(({ dir }) => dir === 'checkout')?.msg).toContain('half-finished checkout');
  });

  it('a root that is not there is an empty list', async () => {
    rmSync(join(root, 'orgs'), { recursive: true });
    expect(await test.admin.listOrgTemplates()).toEqual([]);
  });
});

describe('environment requirements', () => {
  const collected = (template: Record<string, unknown>) => collectEnv(parseTemplate({ name: 'X', ...template }), log);

  it('are the union over the tree, each group once, singles first, then groups, alphabetical', () => {
    expect(
      collected({
        required_env: ['B_KEY', { any_of: ['Z', 'Y'] }],
        workspaces: [
          {
            name: 'A',
            required_env: ['A_KEY', 'B_KEY', { any_of: ['Y', 'Z'] }],
            children: [{ name: 'B', required_env: [{ any_of: ['M', 'N'] }] }],
          },
        ],
      }).required,
    ).toEqual(['A_KEY', 'B_KEY', { any_of: ['M', 'N'] }, { any_of: ['Y', 'Z'] }]);
  });

  it('a strict name makes weaker entries that contain it needless, in either tier', () => {
    expect(
      collected({
        required_env: ['A', { any_of: ['A', 'B'] }],
        recommended_env: ['A', 'C', { any_of: ['A', 'D'] }, { any_of: ['C', 'E'] }, { any_of: ['F', 'G'] }],
      }),
    ).toEqual({ required: ['A'], recommended: ['C', { any_of: ['F', 'G'] }] });
  });

  it('bad names are dropped, and a group without a good one vanishes', () => {
    expect(
      collected({ required_env: ['lower', '1X', 5, { any_of: ['bad name', 'GOOD'] }, { any_of: ['no'] }, {}] })
        .required,
    ).toEqual(['GOOD']);
  });
});

describe('the templates that ship', () => {
  const orgs = readdirSync(join(SHIPPED, 'orgs'));
  const load = (dir: string): OrgTemplate => {
    const folder = join(SHIPPED, 'orgs', dir);
    return loadTemplate(folder, findOrgFile(folder) as string);
  };

  it('are all listed by a platform without configuration, the sample team among them', async () => {
    const plain = await startPlatform();
    try {
      const list = await plain.admin.listOrgTemplates();
      expect(list.map(({ dir }) => dir)).toEqual(orgs.sort());
      const sample = list.find(({ dir }) => dir === 'sample-team');
      expect(sample).toMatchObject({ name: 'Sample team', required_env: [] });
      const result = await plain.admin.importOrg({ body: { dir: 'sample-team' } });
      expect(result.count).toBe(sample?.workspaces);
      expect(result).not.toHaveProperty('error');
    } finally {
      await plain.stop();
    }
  });

  it('the sample team has one lead, at least three reports on two levels below it, and leaves its runtime to the platform', () => {
    const { workspaces, defaults } = load('sample-team');
    expect(workspaces).toHaveLength(1);
    const [lead] = workspaces;
    const below = lead?.children ?? [];
    expect(below.length).toBeGreaterThanOrEqual(2);
    expect(below.some((node) => node.children.length > 0)).toBe(true);
    expect([...walkNodes(below)].length).toBeGreaterThanOrEqual(3);
    expect(defaults.runtime).toBe('default');
  });

  it.each(orgs)('%s: every seat has a name of its own, a role, and a prompt that speaks to it', (dir) => {
    const nodes = [...walkNodes(load(dir).workspaces)];
    expect(new Set(nodes.map(({ name }) => name)).size).toBe(nodes.length);
    for (const node of nodes) {
      expect(node.role?.length ?? 0).toBeGreaterThan(20);
      const prompt = join(SHIPPED, 'orgs', dir, node.files_dir ?? '', 'system-prompt.md');
      expect([node.name, existsSync(prompt)]).toEqual([node.name, true]);
      expect(readFileSync(prompt, 'utf8').length).toBeGreaterThan(200);
    }
  });

  it.each(readdirSync(join(SHIPPED, 'workspaces')))(
    'workspace template %s: known runtime, a description, every prompt file there',
    (dir) => {
      const text = readFileSync(join(SHIPPED, 'workspaces', dir, 'config.yaml'), 'utf8');
      const config = parse(text) as { name: string; description: string; prompt_files?: string[] };
      expect(parseConfig(text)).toMatchObject({ runtime: dir.replace(/-default$/, ''), requiredEnv: [] });
      expect(config.description.length).toBeGreaterThan(20);
      for (const file of config.prompt_files ?? [])
        expect(existsSync(join(SHIPPED, 'workspaces', dir, file))).toBe(true);
    },
  );

  it('no template names a company’s host, a credential or a path of some machine', () => {
    const files = readdirSync(SHIPPED, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    for (const file of files)
      expect(readFileSync(join(file.parentPath, file.name), 'utf8')).not.toMatch(
        /https?:\/\/|sk-[a-z]|\/(home|Users|root)\//i,
      );
  });
});
