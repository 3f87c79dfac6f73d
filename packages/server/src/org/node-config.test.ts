// What a node of a template gets in its config directory, and which secrets (chapter 30 §2.5).

import { existsSync, readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { leaf, type OrgStage, startOrgStage } from '../../test/org-stage.ts';

let stage: OrgStage;

beforeAll(async () => {
  stage = await startOrgStage();
});
afterEach(() => stage.clear());
afterAll(() => stage?.stop());

describe('what a node gets', () => {
  it('30.47 secrets of .env files are encrypted, decrypt to the original, and the node’s own wins', async () => {
    const dir = stage.writeTemplate('secretive', {
      'org.yaml': 'name: Secretive\nworkspaces:\n  - {name: Keeper, runtime: echo, files_dir: keeper}',
      '.env': '# comment\nSHARED=of the team\nOWN=of the team\nEMPTY=\nexport QUOTED="with spaces"\n',
      'keeper/.env': "OWN='of the keeper'\n",
      'keeper/system-prompt.md': 'keep it',
    });
    const { workspaces } = await stage.importDir(dir);
    const id = workspaces[0]?.id as string;
    const stored = await stage.seats.db.kysely
      .selectFrom('workspace_secrets')
      .selectAll()
      .where('workspace_id', '=', id)
      .execute();
    expect(stored.map(({ key, encryption_version }) => [key, encryption_version]).sort()).toEqual([
      ['OWN', 1],
      ['QUOTED', 1],
      ['SHARED', 1],
    ]);
    await stage.seats.until(id, 'online');
    expect(stage.seats.environment(id)).toMatchObject({
      SHARED: 'of the team',
      OWN: 'of the keeper',
      QUOTED: 'with spaces',
    });
    expect(existsSync(stage.seats.folder(id, 'configs', '.env'))).toBe(false);
    expect(readFileSync(stage.seats.folder(id, 'configs', 'system-prompt.md'), 'utf8')).toBe('keep it');
  });

  it('prompts: inline before file, the node’s before the defaults’; idle seconds only with an idle prompt', async () => {
    const dir = stage.writeTemplate('prompts', {
      'org.yaml': [
        'name: Prompts',
        'defaults: {runtime: echo, initial_prompt: from the defaults, idle_prompt_file: idle.md}',
        'workspaces:',
        '  - {name: Inline, initial_prompt: my own, initial_prompt_file: start.md, files_dir: own, idle_interval_seconds: 90}',
        '  - {name: File, initial_prompt_file: start.md, files_dir: own}',
        '  - {name: Default}',
        '  - {name: Lost, initial_prompt_file: gone.md, files_dir: own}',
      ].join('\n'),
      'idle.md': 'idle words',
      'own/start.md': 'from my file',
    });
    const { workspaces } = await stage.importDir(dir);
    const configs = Object.fromEntries(workspaces.map(({ id, name }) => [name, stage.configOf(id)]));
    expect(configs.Inline).toMatchObject({
      initial_prompt: 'my own',
      idle_prompt: 'idle words',
      idle_interval_seconds: 90,
    });
    expect(configs.File).toMatchObject({ initial_prompt: 'from my file', idle_interval_seconds: 600 });
    expect(configs.Default).toMatchObject({ initial_prompt: 'from the defaults' });
    expect(configs.Lost).toMatchObject({ initial_prompt: 'from the defaults' });
    const { workspaces: silent } = await stage.importInline({
      name: 'Silent',
      workspaces: [leaf('Silent', { idle_interval_seconds: 90 })],
    });
    expect(stage.configOf(silent[0]?.id as string)).not.toHaveProperty('idle_interval_seconds');
  });

  it('category routing: the node’s lists replace the defaults’, an empty one deletes, keys sorted, names cannot inject a key', async () => {
    const evil = 'x"\nruntime: evil';
    const { workspaces } = await stage.importInline({
      name: 'Routing',
      defaults: { runtime: 'echo', category_routing: { legal: ['Lawyer'], build: ['Builder'], gone: ['Nobody'] } },
      workspaces: [leaf('Router', { category_routing: { build: [evil], gone: [] } })],
    });
    const config = stage.configOf(workspaces[0]?.id as string);
    expect(config.category_routing).toEqual({ build: [evil], legal: ['Lawyer'] });
    expect(Object.keys(config.category_routing as object)).toEqual(['build', 'legal']);
    expect(config.runtime).toBe('echo');
  });

  it('a config.yaml in the node’s files keeps its own keys; name, role, tier and runtime are the template’s', async () => {
    const dir = stage.writeTemplate('configured', {
      'org.yaml':
        'name: Configured\nworkspaces:\n  - {name: Carpenter, role: "Builds: things", tier: 4, runtime: echo, files_dir: carpenter, system_prompt: build}',
      'carpenter/config.yaml':
        '# by hand\nname: Old\nruntime: langgraph\nskills: [saw]\nmodel: mistral:mistral-large-latest\n',
      'carpenter/system-prompt.md': 'overridden',
      'carpenter/skills/saw/SKILL.md': 'saw',
    });
    const { workspaces } = await stage.importDir(dir);
    const id = workspaces[0]?.id as string;
    expect(readFileSync(stage.seats.folder(id, 'configs', 'config.yaml'), 'utf8')).toContain('# by hand');
    expect(stage.configOf(id)).toMatchObject({
      name: 'Carpenter',
      role: 'Builds: things',
      tier: 4,
      runtime: 'echo',
      skills: ['saw'],
      model: 'mistral:mistral-large-latest',
    });
    expect(readFileSync(stage.seats.folder(id, 'configs', 'system-prompt.md'), 'utf8')).toBe('build');
    expect(readFileSync(stage.seats.folder(id, 'configs', 'skills/saw/SKILL.md'), 'utf8')).toBe('saw');
  });

  it('runtime, model and tier: the node’s, else the defaults’, else langgraph, the universal model and 2', async () => {
    const { workspaces } = await stage.importInline({
      name: 'Defaults',
      workspaces: [
        { name: 'Bare' },
        { name: 'Claude', runtime: 'claude-code' },
        leaf('Chosen', { model: 'openai:gpt-5', tier: 4 }),
      ],
    });
    const [bare, claude, chosen] = workspaces.map(({ id }) => id) as [string, string, string];
    expect(stage.configOf(bare)).toMatchObject({ runtime: 'langgraph', model: 'anthropic:claude-opus-4-7', tier: 2 });
    expect(stage.configOf(claude)).toMatchObject({ runtime: 'claude-code', model: 'sonnet' });
    expect(stage.configOf(chosen)).toMatchObject({ model: 'openai:gpt-5', tier: 4 });
    expect(await stage.seats.admin.getModel({ params: { id: chosen } })).toEqual({
      model: 'openai:gpt-5',
      source: 'workspace_secrets',
    });
  });
});
