// Restarts: coalesced into as few cycles as will do, and what a restarted seat keeps (chapter 10 §2.1, §7.9, §7.10).

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { failureOf } from '@molecule/testkit';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { type ProcessSeats, startProcessSeats, untilFile } from '../../test/process-seats.ts';

let seats: ProcessSeats;
let templates: string;
const logged: string[] = [];

function writeTemplate(name: string, config: string, prompt: string): void {
  mkdirSync(join(templates, name), { recursive: true });
  writeFileSync(join(templates, name, 'config.yaml'), config);
  writeFileSync(join(templates, name, 'system-prompt.md'), prompt);
}

beforeAll(async () => {
  templates = mkdtempSync(join(tmpdir(), 'molecule-templates-'));
  writeTemplate('echo-default', 'runtime: echo\ndescription: standard\n', 'the standard prompt');
  writeTemplate('analyst', 'runtime: echo\ndescription: analyst\nskills: [sources]\n', 'the analyst prompt');
  writeTemplate('quiet-clerk', 'runtime: echo\ndescription: clerk\n', 'the clerk prompt');
  mkdirSync(join(templates, 'orgs/firm/prompts'), { recursive: true });
  writeFileSync(
    join(templates, 'orgs/firm/org.yaml'),
    'name: Firm\nworkspaces:\n  - name: Bookkeeper\n    runtime: echo\n    system_prompt: the prompt of the firm\n',
  );
  seats = await startProcessSeats({
    env: { CONFIGS_DIR: templates },
    onLog: (line) => logged.push(String(line.msg)),
  });
});
afterAll(async () => {
  await seats?.stop();
  rmSync(templates, { recursive: true, force: true });
});

const read = (id: string, file: string) => readFileSync(seats.folder(id, 'configs', file), 'utf8');

describe('restarts', () => {
  it('10.67 secret, then model, saved during a restart → exactly two cycles, and the last one has both', async () => {
    const id = await seats.create('hold-term');
    await seats.until(id, 'online');
    await seats.admin.restartWorkspace({ params: { id } });
    await untilFile(seats.folder(id, 'home', 'terminating'));
    await seats.admin.saveSecret({ params: { id }, body: { key: 'LATE_SECRET', value: 'late' } });
    await seats.admin.putModel({ params: { id }, body: { model: 'openai:gpt-5' } });
    for (let extra = 0; extra < 5; extra += 1) await seats.admin.restartWorkspace({ params: { id } });
    writeFileSync(seats.folder(id, 'home', 'release'), '');
    await seats.untilStarts(id, 3);
    await seats.until(id, 'online');
    expect(seats.environment(id)).toMatchObject({ LATE_SECRET: 'late', MODEL_PROVIDER: 'openai:gpt-5' });
    expect(logged.filter((line) => line.startsWith('evt: restart.pre_stop') && line.includes(id))).toHaveLength(2);

    // A cycle that throws is over too, and the next restart works.
    const pid = seats.starts(id).at(-1) as number;
    const kill = vi.spyOn(process, 'kill').mockImplementation((target) => {
      throw Object.assign(new Error(`may not signal ${target}`), { code: 'EPERM' });
    });
    await seats.admin.restartWorkspace({ params: { id } });
    await vi.waitFor(() => expect(logged).toContain('a start or restart failed'), 15_000);
    kill.mockRestore();
    expect(seats.starts(id).at(-1)).toBe(pid);
    await seats.admin.restartWorkspace({ params: { id } });
    await seats.untilStarts(id, 4);
    await seats.until(id, 'online');
  });

  it('N in sequence are N cycles, and one seat does not wait for another', async () => {
    const [slow, quick] = await Promise.all([seats.create('hold-term'), seats.create()]);
    await Promise.all([seats.until(slow, 'online'), seats.until(quick, 'online')]);
    await seats.admin.restartWorkspace({ params: { id: slow } });
    await untilFile(seats.folder(slow, 'home', 'terminating'));
    for (const count of [2, 3]) {
      await seats.admin.restartWorkspace({ params: { id: quick } });
      await seats.untilStarts(quick, count);
      await seats.until(quick, 'online');
    }
    expect(seats.starts(slow)).toHaveLength(1);
    writeFileSync(seats.folder(slow, 'home', 'release'), '');
    await seats.untilStarts(slow, 2);
  });

  it('10.61 a restarted child keeps PARENT_ID; without a parent the variable is absent', async () => {
    const parent = await seats.create();
    const child = await seats.create('', { parent_id: parent, role: 'Helper' });
    await Promise.all([seats.until(parent, 'online'), seats.until(child, 'online')]);
    await seats.admin.restartWorkspace({ params: { id: child } });
    await seats.admin.restartWorkspace({ params: { id: parent } });
    await Promise.all([seats.untilStarts(child, 2), seats.untilStarts(parent, 2)]);
    expect(seats.environment(child)).toMatchObject({ PARENT_ID: parent, MOLECULE_AGENT_ROLE: 'Helper' });
    expect(seats.environment(parent)).not.toHaveProperty('PARENT_ID');
    expect(seats.environment(parent)).not.toHaveProperty('MOLECULE_AGENT_ROLE');
  });

  it('one provisioning line each: provision.start with sync false, then true after a restart, whose stop is told first', async () => {
    const id = await seats.create('', { name: 'Logged Seat', tier: 2 });
    await seats.until(id, 'online');
    await seats.admin.restartWorkspace({ params: { id } });
    await seats.untilStarts(id, 2);
    const lines = logged.filter((line) => line.startsWith('evt: ') && line.includes(id));
    const fields = {
      workspace_id: id,
      name: 'Logged Seat',
      runtime: 'echo',
      tier: 2,
      template: null,
      backend: 'process',
    };
    expect(lines).toEqual([
      `evt: provision.start ${JSON.stringify({ ...fields, sync: false })}`,
      `evt: restart.pre_stop ${JSON.stringify({ workspace_id: id, backend: 'process' })}`,
      `evt: provision.start ${JSON.stringify({ ...fields, sync: true })}`,
    ]);
  });

  it('a changed runtime counts from the restart, and files, history and edits survive it', async () => {
    const id = await seats.create();
    await seats.until(id, 'online');
    await seats.say(id, 'remember this');
    writeFileSync(seats.folder(id, 'workspace', 'notes.md'), 'my notes');
    writeFileSync(seats.folder(id, 'configs', 'config.yaml'), `# mine\n${read(id, 'config.yaml')}custom: kept\n`);
    const reply = await seats.admin.patchWorkspace({ params: { id }, body: { runtime: 'ai-sdk' } });
    expect(reply).toEqual({ status: 'updated', needs_restart: true });
    expect((await seats.row(id)).needs_restart).toBe(true);
    expect(await seats.admin.restartWorkspace({ params: { id } })).toEqual({
      status: 'provisioning',
      config_dir: 'existing-volume',
      reset_session: false,
    });
    await seats.untilStarts(id, 2);
    await seats.until(id, 'online');
    expect(await seats.row(id)).toMatchObject({ runtime: 'ai-sdk', needs_restart: false });
    expect(read(id, 'config.yaml')).toContain('# mine');
    expect(parse(read(id, 'config.yaml'))).toMatchObject({ runtime: 'ai-sdk', custom: 'kept' });
    // A model nobody chose follows the runtime, a chosen one stays.
    const modelOf = async (runtime: string, count: number) => {
      await seats.admin.patchWorkspace({ params: { id }, body: { runtime } });
      await seats.admin.restartWorkspace({ params: { id } });
      await seats.untilStarts(id, count);
      return parse(read(id, 'config.yaml')).model;
    };
    writeFileSync(
      seats.folder(id, 'configs', 'config.yaml'),
      `${read(id, 'config.yaml')}model: anthropic:claude-opus-4-7\n`,
    );
    expect(await modelOf('claude-code', 3)).toBe('sonnet');
    expect(await modelOf('ai-sdk', 4)).toBe('anthropic:claude-opus-4-7');
    writeFileSync(
      seats.folder(id, 'configs', 'config.yaml'),
      read(id, 'config.yaml').replace(/^model: .*$/m, 'model: openai:gpt-5'),
    );
    expect(await modelOf('claude-code', 5)).toBe('openai:gpt-5');
    expect(readFileSync(seats.folder(id, 'workspace', 'notes.md'), 'utf8')).toBe('my notes');
    const history = await seats.admin.listActivity({ params: { id } });
    expect(JSON.stringify(history)).toContain('remember this');
  });

  it('takes its files from where the person says, the first wish that applies', async () => {
    const id = await seats.create('', { name: 'Quiet Clerk' });
    await seats.until(id, 'online');
    expect(read(id, 'system-prompt.md')).toBe('the standard prompt');
    const restart = async (body: Parameters<typeof seats.admin.restartWorkspace>[0]['body'], count: number) => {
      const { config_dir } = await seats.admin.restartWorkspace({ params: { id }, body });
      await seats.untilStarts(id, count);
      return [config_dir, read(id, 'system-prompt.md'), parse(read(id, 'config.yaml')).description];
    };
    expect(await restart({ template: 'analyst', apply_template: true }, 2)).toEqual([
      'analyst',
      'the analyst prompt',
      'analyst',
    ]);
    expect(await restart({ apply_template: true }, 3)).toEqual(['quiet-clerk', 'the clerk prompt', 'clerk']);
    await seats.admin.patchWorkspace({ params: { id }, body: { name: 'Bookkeeper' } });
    expect(await restart({ apply_template: true, rebuild_config: true }, 4)).toEqual([
      'org-template',
      'the prompt of the firm',
      expect.anything(),
    ]);
    expect(await restart({ apply_template: true }, 5)).toEqual(['echo-default', 'the standard prompt', 'standard']);
    writeFileSync(seats.folder(id, 'configs', 'system-prompt.md'), 'my own words');
    expect((await restart({}, 6))[1]).toBe('my own words');

    for (const template of ['../orgs', 'no-such', '/etc']) {
      const error = await failureOf(seats.admin.restartWorkspace({ params: { id }, body: { template } }));
      expect([error.status, error.code]).toEqual([400, 'invalid_template']);
    }
    expect(seats.starts(id)).toHaveLength(6);
  });

  it('reset makes the framework forget its conversations, once', async () => {
    const id = await seats.create();
    await seats.until(id, 'online');
    mkdirSync(seats.folder(id, 'home', '.claude/sessions'), { recursive: true });
    writeFileSync(seats.folder(id, 'home', '.claude/sessions/a.json'), '{}');
    const reply = await seats.admin.restartWorkspace({ params: { id }, query: { reset: true } });
    expect(reply.reset_session).toBe(true);
    await seats.untilStarts(id, 2);
    expect(seats.environment(id).WORKSPACE_RESET_SESSION).toBe('1');
    expect(() => readFileSync(seats.folder(id, 'home', '.claude/sessions/a.json'))).toThrow();
    await seats.admin.restartWorkspace({ params: { id } });
    await seats.untilStarts(id, 3);
    expect(seats.environment(id)).not.toHaveProperty('WORKSPACE_RESET_SESSION');
  });

  it('is refused for external seats, for unknown ones, and below a paused one, which is named', async () => {
    const external = await seats.admin.createWorkspace({ body: { name: 'Laptop', external: true } });
    expect(await failureOf(seats.admin.restartWorkspace({ params: { id: external.id } }))).toMatchObject({
      status: 400,
      message: expect.stringContaining('rotate'),
    });
    const unknown = failureOf(seats.admin.restartWorkspace({ params: { id: crypto.randomUUID() } }));
    expect((await unknown).status).toBe(404);
    const parent = await seats.create('', { name: 'Sleeping Lead' });
    const child = await seats.create('', { parent_id: parent });
    await Promise.all([seats.until(parent, 'online'), seats.until(child, 'online')]);
    await seats.platform.workspaces.transition('pause', parent);
    for (const id of [parent, child]) {
      const error = await failureOf(seats.admin.restartWorkspace({ params: { id } }));
      expect([error.status, error.body.paused]).toEqual([409, 'Sleeping Lead']);
    }
  });
});
