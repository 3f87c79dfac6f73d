// What an import refuses before it writes its first row, and how it says so.

import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { failureOf } from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { leaf, type OrgStage, startOrgStage, variable } from '../../test/org-stage.ts';

let stage: OrgStage;

beforeAll(async () => {
  stage = await startOrgStage({ HOME: '/srv/home' });
});
afterAll(() => stage?.stop());

describe('before anything is written', () => {
  afterEach(async () => expect(await stage.rows()).toEqual([]));

  it('30.40 a missing required secret → 412 naming it, force or not; one of any_of → 201; an empty value → 412; no table → 500', async () => {
    const template = {
      name: 'Needy',
      required_env: ['STRICT_KEY', { any_of: ['ONE_KEY', 'OTHER_KEY'] }],
      workspaces: [],
    };
    const refusal = async (body: Record<string, unknown>) => {
      const response = await stage.seats.admin.raw('POST', '/org/import', {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      return { status: response.status, text: await response.text() };
    };
    for (const body of [{ template }, { template, force: true }]) {
      const { status, text } = await refusal(body);
      expect(status).toBe(412);
      expect(text).not.toMatch(/force/i);
      expect(JSON.parse(text)).toMatchObject({
        missing_env: ['STRICT_KEY', { any_of: ['ONE_KEY', 'OTHER_KEY'] }],
        required_env: ['STRICT_KEY', { any_of: ['ONE_KEY', 'OTHER_KEY'] }],
        template: 'Needy',
        suggestion: expect.stringContaining('POST /settings/secrets'),
      });
    }
    await sql`insert into global_secrets (key, encrypted_value) values ('STRICT_KEY', '')`.execute(
      stage.seats.db.kysely,
    );
    await stage.seats.admin.saveGlobalSecret({ body: { key: 'OTHER_KEY', value: 'value' } });
    const empty = await failureOf(stage.importInline(template));
    expect([empty.status, empty.body.missing_env]).toEqual([412, ['STRICT_KEY']]);
    await stage.seats.admin.putGlobalSecret({ body: { key: 'STRICT_KEY', value: 'value' } });
    expect((await stage.importInline(template)).count).toBe(0);

    await sql`alter table global_secrets rename to away`.execute(stage.seats.db.kysely);
    try {
      expect((await failureOf(stage.importInline(template))).status).toBe(500);
    } finally {
      await sql`alter table away rename to global_secrets`.execute(stage.seats.db.kysely);
    }
    for (const key of ['STRICT_KEY', 'OTHER_KEY']) await stage.seats.admin.deleteGlobalSecret({ params: { key } });
  });

  it('30.45 a dir that leaves the root, and includes that escape, cycle or lead nowhere → 400; a plugin path copies nothing', async () => {
    writeFileSync(join(stage.root, 'outside.yaml'), 'name: Outside');
    mkdirSync(join(stage.root, 'orgs-beside'), { recursive: true });
    writeFileSync(join(stage.root, 'orgs-beside', 'org.yaml'), 'name: Beside\nworkspaces: []');
    for (const dir of ['../x', '../orgs-beside', '..', '.', '', '/etc', 'a/../../x'])
      expect([dir, (await failureOf(stage.importDir(dir))).status]).toEqual([dir, 400]);
    for (const [dir, text] of [
      ['escaping', 'name: X\nworkspaces:\n  - !include ../../outside.yaml'],
      ['cyclic', 'name: X\nworkspaces:\n  - !include org.yaml'],
      ['missing', 'name: X\nworkspaces:\n  - !include gone.yaml'],
    ] as const) {
      const error = await failureOf(stage.importDir(stage.writeTemplate(dir, { 'org.yaml': text })));
      expect([dir, error.status, error.code]).toEqual([dir, 400, 'invalid_template']);
    }
    const sibling = stage.writeTemplate('sibling', {
      'org.yaml': 'name: X\nworkspaces:\n  - !include teams/a.yaml',
      'teams/a.yaml': 'name: Team\nruntime: echo\nplugins: ["../../etc"]\nchildren:\n  - !include ../people/b.yaml',
      'people/b.yaml': 'name: Person\nruntime: echo',
    });
    const result = await stage.importDir(sibling);
    expect(result.workspaces.map(({ name }) => name)).toEqual(['Team', 'Person']);
    expect(result.workspaces[0]?.plugins_skipped).toEqual(['../../etc']);
    const team = result.workspaces[0]?.id as string;
    expect(existsSync(stage.seats.folder(team, 'configs', 'plugins'))).toBe(false);
    await stage.seats.admin.deleteWorkspace({ params: { id: team }, query: { confirm: true, purge: true } });
    for (const dir of ['escaping', 'cyclic', 'missing', 'sibling'])
      rmSync(join(stage.root, 'orgs', dir), { recursive: true });
  });

  it('neither dir nor template → 400; a folder without an org file → 404; org.yml will do', async () => {
    expect((await failureOf(stage.seats.admin.importOrg({ body: {} }))).status).toBe(400);
    mkdirSync(join(stage.root, 'orgs', 'bare'), { recursive: true });
    expect((await failureOf(stage.importDir('bare'))).status).toBe(404);
    expect((await failureOf(stage.importDir('nowhere'))).status).toBe(404);
    expect(
      (await stage.importDir(stage.writeTemplate('short', { 'org.yml': 'name: Short\nworkspaces: []' }))).org,
    ).toBe('Short');
  });

  it('an unknown runtime anywhere → 400 with the known ones; wrong fields are named; an inline include is refused', async () => {
    const unknown = await failureOf(
      stage.importInline({ name: 'X', workspaces: [leaf('A', { children: [leaf('B', { runtime: 'no-such' })] })] }),
    );
    expect([unknown.status, unknown.code]).toEqual([400, 'unknown_runtime']);
    expect(unknown.body.known_runtimes).toContain('echo');
    const wrong = await failureOf(
      stage.importInline({ name: 'X', workspaces: [leaf('A', { children: [leaf('B', { tier: 9 })] })] }),
    );
    expect([wrong.status, wrong.message]).toEqual([400, expect.stringContaining('workspaces.0.children.0.tier')]);
    expect((await failureOf(stage.importInline({ name: 'X', workspaces: ['!include x.yaml'] }))).status).toBe(400);
    expect((await failureOf(stage.importInline({ name: 'X', workspaces: [leaf('bad{name}')] }))).status).toBe(400);
  });

  it('host directories: variables are expanded first, then judged; platform secrets cannot be read this way', async () => {
    const at = (workspace_dir: string, more: Record<string, unknown> = {}) =>
      stage.importInline({
        name: 'X',
        workspaces: [leaf('A', { workspace_dir, workspace_access: 'read_write', ...more })],
      });
    for (const path of [
      '/etc/x',
      'relative',
      '/srv/../etc',
      `${variable('HOME')}/../../etc`,
      `/srv/${variable('UNSET')}`,
      `/srv/${variable('ADMIN_TOKEN')}`,
      `/srv/${variable('PATH')}`,
    ]) {
      const error = await failureOf(at(path));
      expect([path, error.status, error.message.includes('workspace_dir')]).toEqual([path, 400, true]);
    }
    const bare = await failureOf(
      stage.importInline({ name: 'X', workspaces: [leaf('A', { workspace_access: 'read_only' })] }),
    );
    expect([bare.status, bare.message]).toEqual([400, expect.stringContaining('needs a workspace_dir')]);
    const dir = stage.writeTemplate('hosted', {
      'org.yaml': `name: Hosted\nworkspaces:\n  - {name: Hosted, external: true, workspace_dir: "${variable('HOME')}/${variable('PROJECT')}", workspace_access: read_only}`,
      '.env': 'PROJECT=site\n',
    });
    await stage.importDir(dir);
    const hosted = await stage.named('Hosted');
    expect(hosted.workspace_dir).toBe('/srv/home/site');
    await stage.seats.admin.deleteWorkspace({ params: { id: hosted.id } });
  });

  it('an external address that may not be called, and an address of a seat that is not external → 400', async () => {
    const metadata = await failureOf(
      stage.importInline({ name: 'X', workspaces: [{ name: 'A', external: true, url: 'http://169.254.169.254/' }] }),
    );
    expect([metadata.status, metadata.code]).toEqual([400, 'unsafe_url']);
    const inner = await failureOf(
      stage.importInline({ name: 'X', workspaces: [leaf('A', { url: 'http://93.184.216.34:9' })] }),
    );
    expect([inner.status, inner.code]).toEqual([400, 'invalid_template']);
  });
});
