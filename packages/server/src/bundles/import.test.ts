// Importing bundles into a real platform: what is refused before anything is written, and what a node that fails leaves alone.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { type BundleInput, MOST_BUNDLE_LEVELS, MOST_BUNDLE_NODES } from '@molecule/contract';
import { failureOf, fingerprint, startPlatform } from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { type ProcessSeats, startProcessSeats } from '../../test/process-seats.ts';
import { NO_BACKEND_MESSAGE } from '../provisioning/dispatcher.ts';

type Node = Record<string, unknown> & { name: string };
let seats: ProcessSeats;

beforeAll(async () => {
  seats = await startProcessSeats();
});
afterAll(async () => {
  await seats?.stop();
});

const node = (name: string, more: Record<string, unknown> = {}): Node => ({
  name,
  prompts: { 'config.yaml': 'runtime: echo\n' },
  ...more,
});
const importDocument = (document: unknown) => seats.admin.importBundle({ body: document as BundleInput });
const skill = (id: string, files: Record<string, string>) => ({ skills: [{ id, files }] });

/** @returns the message of the row, which is that of its one event. */
async function reasonOf(id: string): Promise<{ error: string; payload: Record<string, unknown> }> {
  const row = await seats.until(id, 'failed');
  const [frame] = await seats.untilNamed(id, 'WORKSPACE_PROVISION_FAILED');
  const payload = frame?.payload as Record<string, unknown>;
  expect(row.last_sample_error).toBe(payload.error);
  return { error: row.last_sample_error ?? '', payload };
}

describe('a node that fails', () => {
  it('30.57 10.59 a missing variable → failed with `missing`; a bad skill → failed with its text; a child beside has its credentials', async () => {
    const document = node('Root', {
      prompts: { 'config.yaml': 'runtime: echo\nruntime_config:\n  required_env: [NEEDED_BY_BUNDLE]\n' },
      sub_workspaces: [
        node('Bad', skill('../outside', { 'SKILL.md': 'x' })),
        node('Good', { sub_workspaces: [node('Below')] }),
      ],
    });
    const result = await importDocument(document);
    expect(result).toMatchObject({
      name: 'Root',
      status: 'provisioning',
      children: [
        { name: 'Bad', status: 'failed', error: expect.stringContaining('..') },
        { name: 'Good', status: 'provisioning', children: [{ name: 'Below', status: 'provisioning' }] },
      ],
    });
    const [bad, good] = result.children ?? [];
    const missing = await reasonOf(result.workspace_id ?? '');
    expect(missing.error).toContain('NEEDED_BY_BUNDLE');
    expect(missing.payload.missing).toEqual(['NEEDED_BY_BUNDLE']);
    expect((await reasonOf(bad?.workspace_id ?? '')).error).toBe(bad?.error);
    expect(existsSync(seats.folder(bad?.workspace_id ?? '', 'configs'))).toBe(false);

    for (const id of [good?.workspace_id ?? '', good?.children?.[0]?.workspace_id ?? '']) {
      const row = await seats.until(id, 'online');
      const token = readFileSync(seats.folder(id, 'configs', '.auth_token'), 'utf8');
      const reply = await seats.client(token).getConfig({ params: { id } });
      expect(reply).toEqual(expect.any(Object));
      expect((await seats.platform.workspaces.get(id))?.platform_inbound_secret).toMatch(/^[\w-]{43}$/);
      expect(seats.environment(id).PARENT_ID).toBe(row.parent_id);
      expect(row.parent_id).not.toBeNull();
    }
  });

  it('30.57 an agent that refuses to start: the text of the row is the text of the event', async () => {
    await seats.admin.saveGlobalSecret({ body: { key: 'SCRIPT', value: 'refuse' } });
    try {
      const { workspace_id: id, status } = await importDocument(node('Refusing'));
      expect(status).toBe('provisioning');
      expect((await reasonOf(id ?? '')).error).toContain('ANTHROPIC_API_KEY is not set');
    } finally {
      await seats.admin.deleteGlobalSecret({ params: { key: 'SCRIPT' } });
    }
  });

  const FILES_201 = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`${index}.md`, 'x']));
  it.each<[string, Record<string, unknown>]>([
    ['a skill of an absolute path', skill('/etc', { 'SKILL.md': 'x' })],
    ['a skill of two folders', skill('a/b', { 'SKILL.md': 'x' })],
    ['a hidden skill', skill('.git', { 'SKILL.md': 'x' })],
    ['a skill without a name', skill('', { 'SKILL.md': 'x' })],
    ['a file above its skill', skill('a', { '../../x': 'x' })],
    ['an absolute file', skill('a', { '/etc/passwd': 'x' })],
    ['a backslash', skill('a', { 'b\\c': 'x' })],
    ['a prompt above', { prompts: { 'config.yaml': 'runtime: echo', '../x.md': 'x' } }],
    ['a credential', { prompts: { 'config.yaml': 'runtime: echo', '.auth_token': 'x' } }],
    ['more files than a seat takes', skill('a', FILES_201)],
    ['a file larger than one may be', skill('a', { 'b.md': 'x'.repeat(5 * 1024 * 1024 + 1) })],
    ['a file where a folder is', skill('a', { b: 'x', 'b/c': 'x' })],
  ])('%s → that node is failed with its reason, and runs nothing', async (_what, more) => {
    const { workspace_id: id, status, error } = await importDocument(node('Wrong', more));
    expect([status, error]).toEqual(['failed', expect.stringMatching(/.{10}/)]);
    expect((await reasonOf(id ?? '')).error).toBe(error);
    expect(seats.starts(id ?? '')).toEqual([]);
  });

  it('a row that cannot even be written → told without an id and without those below it; parent and sibling stay', async () => {
    await sql`alter table workspaces add constraint refused check (name not like 'Unstorable%')`.execute(
      seats.db.kysely,
    );
    try {
      const children = [node('Unstorable', { sub_workspaces: [node('Lost')] }), node('Kept')];
      const result = await importDocument(node('Parent', { sub_workspaces: children }));
      expect(result.children).toEqual([
        { workspace_id: null, name: 'Unstorable', status: 'failed', error: expect.stringContaining('log') },
        { workspace_id: expect.any(String), name: 'Kept', status: 'provisioning' },
      ]);
      const refused = await failureOf(importDocument(node('Unstorable root')));
      expect([refused.status, refused.code]).toEqual([500, 'internal']);
    } finally {
      await sql`alter table workspaces drop constraint refused`.execute(seats.db.kysely);
    }
    const names = (await seats.admin.listWorkspaces()).map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['Parent', 'Kept']));
    expect(names).not.toContain('Lost');
  });

  it('no backend: every node is failed at once, and its row says why', async () => {
    const without = await startPlatform();
    try {
      const document = node('Root', { sub_workspaces: [node('Child')] });
      const result = await without.admin.importBundle({ body: document as BundleInput });
      expect(result).toMatchObject({ status: 'failed', error: NO_BACKEND_MESSAGE, children: [{ status: 'failed' }] });
      await vi.waitFor(async () =>
        expect((await without.admin.listWorkspaces()).map((row) => [row.status, row.last_sample_error])).toEqual([
          ['failed', NO_BACKEND_MESSAGE],
          ['failed', NO_BACKEND_MESSAGE],
        ]),
      );
    } finally {
      await without.stop();
    }
  });
});

describe('refused before anything is written', () => {
  const chain = (levels: number): Node =>
    levels === 1 ? node('leaf') : node(`level ${levels}`, { sub_workspaces: [chain(levels - 1)] });
  const wide = (count: number): Node =>
    node('wide', { sub_workspaces: Array.from({ length: count }, (_, index) => node(`n${index}`)) });
  const below = (child: unknown): Node =>
    node('root', { sub_workspaces: [node('middle', { sub_workspaces: [child] })] });

  it.each<[string, unknown, string]>([
    ['no name', { prompts: {} }, 'name'],
    ['a grandchild without a name', below({}), 'sub_workspaces.0.sub_workspaces.0.name'],
    ['a grandchild that is no object', below('text'), 'sub_workspaces.0.sub_workspaces.0'],
    ['a name with line breaks', below(node('a\nb')), 'sub_workspaces.0.sub_workspaces.0.name'],
    ['a tier of 7', node('a', { tier: 7 }), 'tier'],
    ['skills that are null', node('a', { skills: null }), 'skills'],
    ['another schema', node('a', { schema: '2.0' }), 'schema'],
    [
      'a configuration that is no mapping',
      below(node('a', { prompts: { 'config.yaml': '- list' } })),
      'sub_workspaces.0.sub_workspaces.0.prompts.config.yaml',
    ],
    ['more levels than a bundle has', chain(MOST_BUNDLE_LEVELS + 1), 'sub_workspaces'],
    ['more workspaces than a bundle has', wide(MOST_BUNDLE_NODES), 'sub_workspaces'],
  ])('%s → 400', async (_what, document, field) => {
    const before = await fingerprint(seats.db);
    const refused = await failureOf(importDocument(document));
    expect([refused.status, refused.code, refused.body.field]).toEqual([400, 'invalid_request', field]);
    expect(await fingerprint(seats.db)).toEqual(before);
  });

  it('30.77 an unknown runtime in a grandchild → 400 with the known ones and no node, of a bundle and of an organisation', async () => {
    const before = (await seats.admin.listWorkspaces()).map(({ id }) => id);
    const child = { name: 'c', runtime: 'nonsense' };
    const template = {
      name: 't',
      workspaces: [{ name: 'a', runtime: 'echo', children: [{ name: 'b', runtime: 'echo', children: [child] }] }],
    };
    for (const call of [
      () => importDocument(below(node('c', { prompts: { 'config.yaml': 'runtime: nonsense' } }))),
      () => seats.admin.importOrg({ body: { template } }),
    ]) {
      const refused = await failureOf(call());
      expect([refused.status, refused.code]).toEqual([400, 'unknown_runtime']);
      expect(refused.body.known_runtimes).toEqual(expect.arrayContaining(['echo', 'ai-sdk', 'external']));
    }
    expect((await seats.admin.listWorkspaces()).map(({ id }) => id)).toEqual(before);
  });
});

describe('what a node gets', () => {
  it('its files, tier 2 unless it says one, and the facts of its row in its configuration', async () => {
    const { workspace_id: id } = await importDocument(
      node('Full', {
        description: 'does it all',
        model: 'groq:own',
        system_prompt: 'You do.\n',
        prompts: { 'config.yaml': 'name: other\nruntime: echo\ntier: 4\nkept: yes\n', 'more/style.md': 'Short.\n' },
        ...skill('report', { 'SKILL.md': 'Reports.\n', 'a/b.txt': 'deep\n' }),
      }),
    );
    const row = await seats.until(id ?? '', 'online');
    expect(row).toMatchObject({ name: 'Full', role: 'does it all', tier: 2, runtime: 'echo', source_bundle_id: null });
    const read = (path: string) => readFileSync(seats.folder(row.id, 'configs', path), 'utf8');
    expect(parse(read('config.yaml'))).toMatchObject({ name: 'Full', role: 'does it all', tier: 2, kept: 'yes' });
    expect(['system-prompt.md', 'more/style.md', 'skills/report/SKILL.md', 'skills/report/a/b.txt'].map(read)).toEqual([
      'You do.\n',
      'Short.\n',
      'Reports.\n',
      'deep\n',
    ]);
    expect(await seats.admin.getModel({ params: { id: row.id } })).toEqual({
      model: 'groq:own',
      source: 'workspace_secrets',
    });
  });

  it('without a configuration: one is generated, for the runtime nobody named; an external one waits for its agent', async () => {
    const { workspace_id: bare } = await importDocument({
      name: 'Bare',
      skills: [{ id: 's', files: { 'SKILL.md': 'x' } }],
    });
    expect((await seats.row(bare ?? '')).runtime).toBe('langgraph');
    expect(parse(readFileSync(seats.folder(bare ?? '', 'configs', 'config.yaml'), 'utf8'))).toMatchObject({
      name: 'Bare',
      runtime: 'langgraph',
      skills: ['s'],
    });
    const far = await importDocument(node('Far', { prompts: { 'config.yaml': 'runtime: external' } }));
    expect(far.status).toBe('awaiting_agent');
    expect((await seats.row(far.workspace_id ?? '')).status).toBe('awaiting_agent');
    expect(readdirSync(seats.folder('.'))).not.toContain(far.workspace_id);
    const said = await importDocument(node('Chosen', { prompts: { 'config.yaml': 'runtime: default' } }));
    expect((await seats.row(said.workspace_id ?? '')).runtime).toBe('echo');
  });

  it('stands where nothing else is, with those below it inside, and says so relative to its parent', async () => {
    const right = Math.max(...(await seats.admin.listWorkspaces()).map(({ x }) => x));
    const result = await importDocument(node('Placed', { sub_workspaces: [node('One'), node('Two')] }));
    const root = await seats.row(result.workspace_id ?? '');
    expect(root.x).toBeGreaterThan(right + 240);
    const [one, two] = await Promise.all((result.children ?? []).map((child) => seats.row(child.workspace_id ?? '')));
    expect([one, two].map((row) => [(row?.x ?? 0) - root.x, (row?.y ?? 0) - root.y])).toEqual([
      [16, 130],
      [270, 130],
    ]);
    const [frame] = await seats.untilNamed(two?.id ?? '', 'WORKSPACE_PROVISIONING');
    expect(frame?.payload).toMatchObject({ parent_id: root.id, x: 270, y: 130 });
  });
});
