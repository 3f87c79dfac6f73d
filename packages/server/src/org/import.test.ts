// Importing organisations into a real platform: what exists is left alone, what is missing is created, agents really start.

import { existsSync } from 'node:fs';
import { breakColumn, mendColumn, startPlatform } from '@molecule/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { leaf, type OrgStage, startOrgStage } from '../../test/org-stage.ts';
import { readConfig } from '../config.ts';
import { NO_BACKEND_MESSAGE } from '../provisioning/dispatcher.ts';

let stage: OrgStage;

beforeAll(async () => {
  stage = await startOrgStage();
});
afterEach(() => stage.clear());
afterAll(() => stage?.stop());

/** Seven seats, three levels. */
const SEVEN = {
  name: 'Seven',
  defaults: { runtime: 'echo' },
  workspaces: [
    leaf('A', {
      children: [leaf('B', { children: [leaf('D'), leaf('E')] }), leaf('C', { children: [leaf('F'), leaf('G')] })],
    }),
  ],
};

describe('importing an organisation', () => {
  it('30.37 10.56 seven nodes → seven starts; the same again → no new row, all skipped, nothing started or announced', async () => {
    const first = await stage.importInline(SEVEN);
    expect(first).toMatchObject({ org: 'Seven', count: 7 });
    expect(first.workspaces.map(({ name }) => name)).toEqual(['A', 'B', 'D', 'E', 'C', 'F', 'G']);
    for (const { id } of first.workspaces) await stage.seats.until(id, 'online');
    const starts = () => first.workspaces.map(({ id }) => stage.seats.starts(id).length);
    expect(starts()).toEqual([1, 1, 1, 1, 1, 1, 1]);
    stage.logged.length = 0;
    stage.seats.frames.length = 0;

    const second = await stage.importInline(SEVEN);
    expect(second.workspaces).toEqual(first.workspaces.map((entry) => ({ ...entry, skipped: true })));
    expect(await stage.rows()).toHaveLength(7);
    expect(stage.logged.filter((line) => line.startsWith('evt: provision.skip_existing'))).toHaveLength(7);
    expect(stage.logged.some((line) => line.startsWith('evt: provision.start'))).toBe(false);
    expect(stage.seats.frames.filter(({ event }) => event === 'WORKSPACE_PROVISIONING')).toEqual([]);
    expect(starts()).toEqual([1, 1, 1, 1, 1, 1, 1]);
  });

  it('30.38 five of seven exist → two created under the existing parents, where those stand now; a removed namesake is replaced', async () => {
    const first = await stage.importInline(SEVEN);
    const idOf = (name: string) => first.workspaces.find((entry) => entry.name === name)?.id as string;
    await stage.seats.admin.patchWorkspace({ params: { id: idOf('B') }, body: { x: 5_000, y: 900 } });
    await stage.seats.admin.deleteWorkspace({ params: { id: idOf('D') } });
    await stage.seats.admin.deleteWorkspace({ params: { id: idOf('G') } });
    const again = await stage.importInline(SEVEN);
    expect(again.count).toBe(7);
    const created = again.workspaces.filter((entry) => !entry.skipped);
    expect(created.map(({ name }) => name)).toEqual(['D', 'G']);
    expect(created.map(({ id }) => id)).not.toContain(idOf('D'));
    const [d, g] = [await stage.named('D'), await stage.named('G')];
    expect([d.parent_id, g.parent_id]).toEqual([idOf('B'), idOf('C')]);
    expect([d.x - 5_000, d.y - 900]).toEqual([16, 130]);
  });

  it('30.39 the lookup of what exists fails → the result says so, and nothing is inserted', async () => {
    const template = { name: 'Blind', workspaces: [leaf('Unseen', { canvas: { x: 0, y: 0 } })] };
    await stage.importInline(template);
    const before = (await stage.rows()).map(({ id }) => id);
    await breakColumn(stage.seats.db, 'workspaces', 'tier');
    try {
      const result = await stage.importInline(template);
      expect(result).toEqual({ org: 'Blind', workspaces: [], count: 0, error: expect.stringContaining('log') });
    } finally {
      await mendColumn(stage.seats.db, 'workspaces');
    }
    expect((await stage.rows()).map(({ id }) => id)).toEqual(before);
  });

  it('30.41 no backend: seven nodes → seven failed with a message within seconds', async () => {
    const without = await startPlatform();
    try {
      const { workspaces } = await without.admin.importOrg({ body: { template: SEVEN } });
      expect(workspaces).toHaveLength(7);
      await vi.waitFor(
        async () =>
          expect((await without.admin.listWorkspaces()).map((row) => [row.status, row.last_sample_error])).toEqual(
            Array.from({ length: 7 }, () => ['failed', NO_BACKEND_MESSAGE]),
          ),
        { timeout: 5_000 },
      );
    } finally {
      await without.stop();
    }
  });

  it('30.42 10.75 the cap on starts: unset 3, 0 unlimited, 10, 7; -1 and nonsense 3 with a warning; a bad idle time 300 with one', () => {
    const read = (value?: string) => {
      const config = readConfig({
        PATH: '/bin',
        ...(value === undefined ? {} : { MOLECULE_PROVISION_CONCURRENCY: value }),
      });
      return [config.provisionConcurrency, config.warnings.length];
    };
    expect(read()).toEqual([3, 0]);
    expect(read('0')).toEqual([2 ** 20, 0]);
    expect(read(' 10 ')).toEqual([10, 0]);
    expect(read('7')).toEqual([7, 0]);
    for (const value of ['-1', 'abc', 'x']) expect(read(value)).toEqual([3, 1]);
    const idle = readConfig({ PATH: '/bin', A2A_IDLE_TIMEOUT_SECONDS: 'foo' });
    expect(idle.a2aIdleTimeoutSeconds).toBe(300);
    expect(idle.warnings).toEqual([expect.stringContaining('A2A_IDLE_TIMEOUT_SECONDS')]);
  });

  it('30.43 max_concurrent_tasks 3 → 3, omitted or not positive → 1', async () => {
    await stage.importInline({
      name: 'Widths',
      workspaces: [
        leaf('three', { max_concurrent_tasks: 3 }),
        leaf('omitted'),
        leaf('none', { max_concurrent_tasks: 0 }),
        leaf('less', { max_concurrent_tasks: -4 }),
      ],
    });
    const widths = Object.fromEntries((await stage.rows()).map((row) => [row.name, row.max_concurrent_tasks]));
    expect(widths).toEqual({ three: 3, omitted: 1, none: 1, less: 1 });
  });

  it('stops at the first node that fails, says which went before, and a repeat creates the rest', async () => {
    const dir = stage.writeTemplate('half', {
      'org.yaml':
        'name: Half\ndefaults: {runtime: echo}\nworkspaces:\n  - name: Fine\n    children:\n      - {name: Broken, files_dir: broken}\n  - name: Later\n',
      'broken/.env': 'PATH=/tmp/evil\n',
    });
    const result = await stage.importDir(dir);
    expect(result).toMatchObject({
      count: 1,
      workspaces: [{ name: 'Fine' }],
      error: expect.stringContaining('PATH is set by the platform'),
    });
    expect((await stage.rows()).map(({ name }) => name)).toEqual(['Fine']);
    stage.writeTemplate('half', { 'broken/.env': 'FINE=1\n' });
    const repeat = await stage.importDir(dir);
    expect(repeat.error).toBeUndefined();
    expect(repeat.workspaces.map(({ name, skipped }) => [name, skipped ?? false])).toEqual([
      ['Fine', true],
      ['Broken', false],
      ['Later', false],
    ]);
  });

  it('two imports at the same time create each node once', async () => {
    await Promise.all([stage.importInline(SEVEN), stage.importInline(SEVEN), stage.importInline(SEVEN)]);
    expect((await stage.rows()).map(({ name }) => name).sort()).toEqual(['A', 'B', 'C', 'D', 'E', 'F', 'G']);
  });

  it('puts a second organisation beside the first, not on top of it', async () => {
    await stage.importInline({ name: 'One', workspaces: [leaf('One', { children: [leaf('One a'), leaf('One b')] })] });
    await stage.importInline({ name: 'Two', workspaces: [leaf('Two')] });
    const two = await stage.named('Two');
    for (const row of (await stage.rows()).filter(({ name }) => name.startsWith('One')))
      expect(two.x).toBeGreaterThan(row.x + 240);
  });

  it('says what this version does not build: plugins, channels, memories', async () => {
    const { workspaces } = await stage.importInline({
      name: 'Rich',
      defaults: { runtime: 'echo', plugins: ['browser', 'mail'], initial_memories: [{ content: 'a' }] },
      global_memories: [{ content: 'b', scope: 'GLOBAL' }],
      workspaces: [
        leaf('Root', {
          plugins: ['!mail', 'search'],
          channels: [{ type: 'slack' }],
        }),
        leaf('Plain', { plugins: [], initial_memories: [] }),
      ],
    });
    expect(workspaces[0]).toMatchObject({
      plugins_skipped: ['browser', 'search'],
      channels_skipped: [{ workspace: 'Root', type: 'slack', reason: expect.any(String) }],
      memories_skipped: 2,
    });
    expect(workspaces[1]).toMatchObject({ plugins_skipped: ['browser', 'mail'] });
    expect(workspaces[1]).not.toHaveProperty('memories_skipped');
  });

  it('schedules read their prompts from the node’s own folder; one without a prompt that can be found is left out, and the log says why', async () => {
    const schedule = (name: string, more: object) => ({ name, cron_expr: '0 9 * * *', ...more });
    const node = leaf('Clerk', {
      files_dir: 'clerk',
      schedules: [
        schedule('from file', { prompt_file: 'prompts/daily.md' }),
        schedule('inline first', { prompt: 'inline', prompt_file: 'prompts/daily.md' }),
        schedule('outside', { prompt_file: '../secret.md' }),
        schedule('nowhere', { prompt_file: 'prompts/missing.md' }),
        schedule('empty', {}),
        { prompt: 'no time' },
      ],
    });
    const dir = stage.writeTemplate('scheduled', {
      'org.yaml': JSON.stringify({ name: 'Scheduled', workspaces: [node] }),
      'secret.md': 'not for them',
      'clerk/prompts/daily.md': 'write the report\r\n',
    });
    const { workspaces } = await stage.importDir(dir);
    expect(workspaces[0]).toMatchObject({ schedules_skipped: ['outside', 'nowhere', 'empty', ''] });
    expect(stage.logged.filter((message) => message === 'a schedule was skipped')).toHaveLength(4);
    const id = workspaces[0]?.id ?? '';
    const rows = await stage.seats.admin.listSchedules({ params: { id } });
    expect(rows.map((row) => [row.name, row.prompt, row.source])).toEqual([
      ['from file', 'write the report\n', 'template'],
      ['inline first', 'inline', 'template'],
    ]);
  });

  it('external nodes: with an address that may be called → online; without → awaiting their agent; nothing is started', async () => {
    const { workspaces } = await stage.importInline({
      name: 'Mixed',
      workspaces: [
        { name: 'Remote', external: true, url: 'http://93.184.216.34:9' },
        { name: 'Laptop', runtime: 'external' },
      ],
    });
    expect((await stage.named('Remote')).status).toBe('online');
    expect((await stage.named('Laptop')).status).toBe('awaiting_agent');
    for (const { id } of workspaces) expect(existsSync(stage.seats.folder(id))).toBe(false);
  });
});
