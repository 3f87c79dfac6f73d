// Exporting a real team: what a bundle holds, where it comes from, and what never leaves. And out of one platform into another.

import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Bundle, MOST_BUNDLE_LEVELS } from '@molecule/contract';
import { createSeat, failureOf, startPlatform, type TestPlatform } from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { type ProcessSeats, startProcessSeats } from '../../test/process-seats.ts';

const UNKNOWN = '00000000-0000-4000-8000-000000000001';
const SKILL = '---\nname: Weekly report\ndescription: of the week\n---\n# Report\n\nWrites the report.\nThen more.\n';
let seats: ProcessSeats;
let target: ProcessSeats;

beforeAll(async () => {
  seats = await startProcessSeats();
  target = await startProcessSeats();
});
afterAll(async () => {
  await seats?.stop();
  await target?.stop();
});

const exportFrom = (platform: Pick<TestPlatform, 'admin'>, id: string): Promise<Bundle> =>
  platform.admin.exportBundle({ params: { id } });

function place(id: string, files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    const full = seats.folder(id, 'configs', path);
    mkdirSync(dirname(full), { recursive: true });
    writeFileSync(full, text);
  }
}

const readConfig = (id: string) => readFileSync(seats.folder(id, 'configs', 'config.yaml'), 'utf8');

/** What one platform and another have in common: everything but ids, addresses and when the agent said what it is. */
const withoutIds = ({
  id: _id,
  agent_card: _card,
  sub_workspaces: below,
  ...rest
}: Bundle): Record<string, unknown> => ({
  ...rest,
  sub_workspaces: below.map(withoutIds),
});

interface Branch {
  name: string;
  role: string | null;
  tier: number;
  runtime: string;
  below: Branch[];
}

async function treeOf(platform: Pick<TestPlatform, 'admin'>, rootId: string): Promise<Branch> {
  const rows = await platform.admin.listWorkspaces();
  const branch = (id: string): Branch => {
    const row = rows.find((one) => one.id === id);
    if (!row) throw new Error(`no workspace ${id}`);
    const { name, role, tier, runtime } = row;
    return {
      name,
      role,
      tier,
      runtime,
      below: rows.filter((one) => one.parent_id === id).map((one) => branch(one.id)),
    };
  };
  return branch(rootId);
}

describe('from one platform into an empty one', () => {
  it('the tree, the prompts, the skills and the models arrive as they were, and can be exported again as they were', async () => {
    const node = (name: string, more: object = {}) => ({ name, role: `${name} of the team`, runtime: 'echo', ...more });
    const team = node('Lead', {
      tier: 3,
      system_prompt: 'You lead.\n',
      model: 'openai:gpt-5',
      initial_prompt: 'Begin.',
      children: [node('Writer', { system_prompt: 'You write.\n', children: [node('Proofreader')] }), node('Coder')],
    });
    const { workspaces } = await seats.admin.importOrg({ body: { template: { name: 'Team', workspaces: [team] } } });
    for (const { id } of workspaces) await seats.until(id, 'online');
    const [lead, writer] = workspaces.map(({ id }) => id) as [string, string];
    place(writer, {
      'skills/report/SKILL.md': SKILL,
      'skills/report/scripts/run.sh': 'echo "report"\n',
      'skills/plain/notes.md': 'No manual.\n',
      'style.md': 'Short sentences.\n',
    });
    const config = parse(readConfig(writer));
    const more = { prompt_files: ['system-prompt.md', 'style.md'], tools: ['browser'] };
    place(writer, { 'config.yaml': `# kept\n${stringify({ ...config, ...more })}` });

    const exported = await exportFrom(seats, lead);
    expect(exported).toMatchObject({
      schema: '1.0',
      id: lead,
      name: 'Lead',
      description: 'Lead of the team',
      tier: 3,
      model: 'openai:gpt-5',
      system_prompt: 'You lead.\n',
      skills: [],
      tools: [],
    });
    expect(parse(exported.prompts['config.yaml'] ?? '')).toMatchObject({ runtime: 'echo', initial_prompt: 'Begin.' });
    expect(exported.sub_workspaces.map(({ name }) => name)).toEqual(['Writer', 'Coder']);
    const [exportedWriter] = exported.sub_workspaces;
    expect(exportedWriter?.skills).toEqual([
      { id: 'plain', name: 'plain', description: '', files: { 'notes.md': 'No manual.\n' } },
      {
        id: 'report',
        name: 'Weekly report',
        description: 'Writes the report.',
        files: { 'SKILL.md': SKILL, 'scripts/run.sh': 'echo "report"\n' },
      },
    ]);
    expect(exportedWriter?.tools).toEqual([{ id: 'browser', config: {} }]);
    expect(exportedWriter?.prompts['style.md']).toBe('Short sentences.\n');
    expect(exportedWriter?.prompts['config.yaml']).toContain('# kept');

    expect(await target.admin.listWorkspaces()).toEqual([]);
    const imported = await target.admin.importBundle({ body: exported });
    expect(imported).toMatchObject({ name: 'Lead', status: 'provisioning' });
    const rootId = imported.workspace_id ?? '';
    expect(rootId).not.toBe(lead);
    const rows = await target.admin.listWorkspaces();
    for (const { id } of rows) await target.until(id, 'online');
    expect(rows).toHaveLength(4);
    expect(await treeOf(target, rootId)).toEqual(await treeOf(seats, lead));
    expect(await target.admin.getModel({ params: { id: rootId } })).toEqual({
      model: 'openai:gpt-5',
      source: 'workspace_secrets',
    });
    expect(withoutIds(await exportFrom(target, rootId))).toEqual(withoutIds(exported));
  });
});

describe('what never leaves', () => {
  it('30.56 secrets, tokens, memories and activity are not inside; imported twice → two ids, one source_bundle_id', async () => {
    const id = await seats.create('', { secrets: { OWN_PASSWORD: 'own-password-value', PIN: '12345678' } });
    await seats.admin.saveGlobalSecret({ body: { key: 'SHARED_PASSWORD', value: 'shared-password-value' } });
    await seats.until(id, 'online');
    const child = await seats.create('', { parent_id: id, secrets: { OF_CHILD: 'password-of-the-child' } });
    await seats.until(child, 'online');
    const { auth_token: issued } = await seats.admin.createToken({ params: { id } });
    const own = readFileSync(seats.folder(id, 'configs', '.auth_token'), 'utf8').trim();
    const inbound = (await seats.platform.workspaces.get(id))?.platform_inbound_secret ?? '';
    expect(inbound).toMatch(/^[\w-]{43}$/);
    await seats.admin.notify({ params: { id }, body: { message: 'activity of the seat' } });
    const prompt_files = ['MEMORY.md', '.env', '../x', 'prod.env'];
    const config = stringify({ ...parse(readConfig(id)), prompt_files });
    const lookAlikes = ['Bearer abcdef', 'sk-0123456789abcdef0', 'MAIL_API_KEY=plain', 'ctx7_abc'];
    place(id, {
      '.env': 'HIDDEN=value-of-dot-env',
      'prod.env': 'HIDDEN=value-of-prod-env',
      'MEMORY.md': 'what it remembers',
      'USER.md': 'what it knows of its user',
      'skills/one/.env': 'HIDDEN=value-of-skill-env',
      'skills/one/.git/config': 'hidden folder',
      'skills/one/binary.bin': '\0 not text',
      'skills/one/SKILL.md': `Use ${inbound} and ${lookAlikes.join(' and ')}, docs/reference/messaging/something/long stays.\n`,
      'system-prompt.md': `Say own-password-value, shared-password-value, password-of-the-child ${issued}, ${seats.adminToken} and ${own}.\n`,
      'config.yaml': `${config}note: "own-password-value"\npin: 12345678\nflags: 'MAIL_TOKEN=x'\n`,
    });
    const exported = await exportFrom(seats, id);
    const text = JSON.stringify(exported);
    for (const kept of [
      ...[
        'own-password-value',
        '12345678',
        'shared-password-value',
        'password-of-the-child',
        inbound,
        issued,
        own,
        seats.adminToken,
      ],
      ...lookAlikes,
      ...['value-of-dot-env', 'value-of-prod-env', 'value-of-skill-env', 'hidden folder', 'not text'],
      ...['what it remembers', 'what it knows of its user', 'activity of the seat', 'MAIL_TOKEN'],
    ])
      expect([kept, text.includes(kept)]).toEqual([kept, false]);
    expect(text).not.toContain('.auth_token');
    expect(exported.skills.map(({ files }) => Object.keys(files))).toEqual([['SKILL.md']]);
    expect(exported.skills[0]?.files['SKILL.md']).toContain('docs/reference/messaging/something/long stays.');
    expect(Object.keys(exported.prompts)).toEqual(['config.yaml']);
    // Still YAML, with its values replaced.
    expect(parse(exported.prompts['config.yaml'] ?? '')).toMatchObject({
      note: '[redacted]',
      pin: '[redacted]',
      flags: '[REDACTED:TOKEN]',
    });

    const twice = [
      await target.admin.importBundle({ body: exported }),
      await target.admin.importBundle({ body: exported }),
    ];
    const ids = twice.map(({ workspace_id }) => workspace_id ?? '');
    expect(new Set([...ids, id]).size).toBe(3);
    const rows = await Promise.all(ids.map((one) => target.row(one)));
    expect(rows.map((row) => row.source_bundle_id)).toEqual([id, id]);
    expect(rows[1]?.x).toBeGreaterThan((rows[0]?.x ?? 0) + 240);
    for (const one of ids) expect(await target.admin.listSecrets({ params: { id: one } })).toEqual([]);
  });

  it('secrets that cannot be decrypted cannot be looked for: nothing is exported', async () => {
    const id = await seats.create('', { secrets: { LOST: 'lost-value' } });
    await sql`update workspace_secrets set encryption_version = 99 where workspace_id = ${id}`.execute(seats.db.kysely);
    const refused = await failureOf(exportFrom(seats, id));
    expect([refused.status, refused.code, refused.body.failed_keys]).toEqual([
      500,
      'secrets_unreadable',
      ['workspace:LOST'],
    ]);
  });
});

describe('where it comes from', () => {
  it('no such workspace, or a removed one → 404; removed children are not in it', async () => {
    expect((await failureOf(exportFrom(seats, UNKNOWN))).status).toBe(404);
    const root = await createSeat(seats);
    const child = await createSeat(seats, { parent_id: root.id });
    expect((await exportFrom(seats, root.id)).sub_workspaces).toHaveLength(1);
    await seats.admin.deleteWorkspace({ params: { id: child.id } });
    expect((await exportFrom(seats, root.id)).sub_workspaces).toEqual([]);
    expect((await failureOf(exportFrom(seats, child.id))).status).toBe(404);
  });

  it('a child whose files cannot be reached is left out with all below it; as the root it is an error', async () => {
    const root = await createSeat(seats);
    const broken = await seats.create('', { parent_id: root.id });
    const fine = await createSeat(seats, { parent_id: root.id, name: 'fine' });
    await seats.until(broken, 'online');
    // Neither file nor folder: it cannot be opened.
    const socket = join(seats.dataDir, 'socket');
    const server = createServer();
    await new Promise<void>((done) => server.listen(socket, done));
    renameSync(socket, seats.folder(broken, 'configs', 'config.yaml'));
    try {
      expect((await exportFrom(seats, root.id)).sub_workspaces.map(({ id }) => id)).toEqual([fine.id]);
      const refused = await failureOf(exportFrom(seats, broken));
      expect([refused.status, refused.code]).toEqual([500, 'files_failed']);
    } finally {
      await new Promise((done) => server.close(done));
    }
  });

  it('without live files: the host template of that name, never another one, without its hidden files', async () => {
    const root = mkdtempSync(join(tmpdir(), 'molecule-templates-'));
    const write = (path: string, text: string) => {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    };
    write('market-analyst/config.yaml', 'name: x\nruntime: echo\nmodel: groq:a\nauthor: The team\nversion: 2.1.0\n');
    write('market-analyst/system-prompt.md', 'You analyse.\n');
    write('market-analyst/skills/s/SKILL.md', 'Looks.\n');
    write('market-analyst/.env', 'KEY=value');
    write('echo-default/config.yaml', 'name: other\nruntime: echo\n');
    write('echo-default/system-prompt.md', 'Of another.\n');
    const without = await startPlatform({ env: { CONFIGS_DIR: root } });
    try {
      const make = (name: string) =>
        without.admin.createWorkspace({ body: { name, runtime: 'echo', role: 'analyst' } });
      const found = await exportFrom(without, (await make('Market Analyst')).id);
      expect(found).toMatchObject({
        system_prompt: 'You analyse.\n',
        skills: [{ id: 's', description: 'Looks.' }],
        model: 'groq:a',
        author: 'The team',
        version: '2.1.0',
      });
      expect(parse(found.prompts['config.yaml'] ?? '')).toMatchObject({ name: 'Market Analyst', role: 'analyst' });
      const lost = await exportFrom(without, (await make('Nobody’s')).id);
      expect(lost).toMatchObject({ system_prompt: null, skills: [], tools: [], sub_workspaces: [] });
      expect(parse(lost.prompts['config.yaml'] ?? '')).toMatchObject({ runtime: 'echo', name: 'Nobody’s' });
    } finally {
      await without.stop();
      rmSync(root, { recursive: true, force: true });
    }
  });

  it('what could not be imported is not exported: too many levels → 409 before anything is read', async () => {
    let parent = (await createSeat(seats)).id;
    const root = parent;
    for (let level = 1; level < MOST_BUNDLE_LEVELS; level += 1)
      parent = (await createSeat(seats, { parent_id: parent })).id;
    expect((await exportFrom(seats, root)).id).toBe(root);
    await createSeat(seats, { parent_id: parent });
    const refused = await failureOf(exportFrom(seats, root));
    expect([refused.status, refused.code]).toEqual([409, 'conflict']);
    expect(refused.message).toContain(`${MOST_BUNDLE_LEVELS} levels`);
  });
});
