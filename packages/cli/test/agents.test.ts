// `molecule org`, `logs` and `send` with agents of the process backend: teams from templates, what agents write, and one that sleeps.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { leaf, type OrgStage, startOrgStage } from '../../server/test/org-stage.ts';
import type { ProcessSeats } from '../../server/test/process-seats.ts';
import { newLines } from '../src/commands/logs.ts';
import { accessTo, begin, endCommands, run } from './cli.ts';

afterAll(endCommands);

let stage: OrgStage;
let seats: ProcessSeats;
let env: Record<string, string>;

beforeAll(async () => {
  stage = await startOrgStage();
  seats = stage.seats;
  env = accessTo(seats);
});
afterAll(() => stage?.stop());

const listNames = async () => (await stage.rows()).map(({ name }) => name);

describe('teams from templates', () => {
  beforeAll(() => {
    const org = (name: string, workspaces: unknown[], more = {}) => ({
      'org.yaml': JSON.stringify({ name, workspaces, ...more }),
    });
    stage.writeTemplate(
      'needy',
      org('Needy', [leaf('Solo')], { required_env: ['STRICT_KEY', { any_of: ['ONE_KEY', 'OTHER_KEY'] }] }),
    );
    stage.writeTemplate('pair', {
      ...org('Pair', [leaf('One', { plugins: ['browser'] }), leaf('Two', { files_dir: 'two' })]),
      'two/.env': 'PATH=/tmp/evil\n',
    });
  });

  it('list names the templates with the secrets they need', async () => {
    const { code, out } = await run(['org', 'list'], env);
    expect(code).toBe(0);
    expect(out).toMatch(/^needy +Needy +1 +STRICT_KEY, ONE_KEY or OTHER_KEY/m);
    expect(out).toMatch(/^pair +Pair +2/m);
  });

  it('missing secrets stop the import before anything is written, with one command for each', async () => {
    const [people, program] = await Promise.all([
      run(['org', 'import', 'needy'], env),
      run(['org', 'import', 'needy', '--json'], env),
    ]);
    expect(await listNames()).toEqual([]);
    expect(people).toMatchObject({ code: 1, out: '' });
    expect(people.err).toContain('secrets are missing: STRICT_KEY, ONE_KEY or OTHER_KEY');
    expect(people.err).not.toContain(seats.adminToken);
    for (const key of ['STRICT_KEY', 'ONE_KEY'])
      expect(people.err).toContain(`\n          molecule secret set ${key} --url ${seats.url}\n`);
    expect(program.json()).toMatchObject({ ok: false, code: 'missing_env', exit_code: 1 });
  });

  it('import stops half-way with exit code 1, creates the rest when repeated, and says what existed and what was left out', async () => {
    const half = await run(['org', 'import', 'pair'], env);
    expect(half).toMatchObject({ code: 1, out: expect.stringContaining('Pair: 1 created, 0 already existed') });
    expect(half.err).toContain('left out of One, not part of this version: plugin browser\n');
    expect(half.err).toMatch(/the import stopped: .*PATH is set by the platform.*\n +molecule org import pair creates/);
    const halfAgain = await run(['org', 'import', 'pair', '--json'], env);
    expect([halfAgain.code, halfAgain.err]).toEqual([1, '']);
    expect(halfAgain.json()).toMatchObject({ ok: false, error: expect.any(String), workspaces: [{ skipped: true }] });

    stage.writeTemplate('pair', { 'two/.env': 'FINE=1\n' });
    const [whole, unknown] = await Promise.all([
      run(['org', 'import', 'pair', '--json'], env),
      run(['org', 'import', 'nobody'], env),
    ]);
    expect(whole).toMatchObject({ code: 0, err: '' });
    expect(whole.json()).toMatchObject({ ok: true, workspaces: [{ name: 'One', skipped: true }, { name: 'Two' }] });
    expect(await listNames()).toEqual(['One', 'Two']);
    expect(unknown).toMatchObject({ code: 2, err: expect.stringContaining('molecule org list') });
  });
});

describe('an agent and its log', () => {
  let id: string;

  beforeAll(async () => {
    id = await seats.create('', { name: 'Sleeper' });
    await seats.until(id, 'online');
  });

  it('is printed as text or as one document, and an agent that was never started has none', async () => {
    const idle = await seats.admin.createWorkspace({ body: { name: 'Idle', external: true } });
    const [text, document, none] = await Promise.all([
      run(['logs', 'sleeper'], env),
      run(['logs', id, '--lines', '1', '--json'], env),
      run(['logs', idle.id], env),
    ]);
    expect(text).toMatchObject({ code: 0, err: '', out: expect.stringContaining(`scripted agent ${id} on `) });
    expect(document.json()).toMatchObject({ workspace: { id, name: 'Sleeper' }, truncated: true });
    expect(document.json().lines).toEqual([expect.stringContaining('registered: 200')]);
    expect(none).toMatchObject({ code: 0, out: '', err: 'Idle has written nothing yet\n' });
  });

  it('is followed through a restart until Ctrl-C; a message wakes the agent and is delivered once', async () => {
    const following = begin(['logs', 'Sleeper', '-f', '--json'], env);
    await following.until('registered: 200');
    const [before] = seats.starts(id);
    await seats.platform.workspaces.transition('hibernate', id);
    // Ends the workload with what it stored: the starts are counted from here.
    await seats.platform.provisioning.remove(id);
    await seats.platform.workspaces.transition('hibernated', id, { patch: { url: null, url_source: null } });

    const sent = await run(['send', 'Sleeper', 'good morning', '--json'], env);
    const [woken, ...more] = seats.starts(id);
    expect([sent.code, sent.err]).toEqual([0, '']);
    expect(sent.lines()).toMatchObject([
      { type: 'away', why: 'waking', retry_after_seconds: 15 },
      { type: 'answer', ok: true, text: `answered by ${woken}` },
    ]);
    expect(woken).not.toBe(before);
    expect(more).toEqual([]);

    const started = `scripted agent ${id} on ${seats.environment(id).PORT}`;
    const followed = await following.until(started);
    following.signal('SIGINT');
    expect((await following.ended).code).toBe(0);
    expect(followed.split(`scripted agent ${id}`)).toHaveLength(3);
  });

  it.each([
    ['nothing new', ['a', 'b'], ['a', 'b'], []],
    ['one more', ['a', 'b'], ['a', 'b', 'c'], ['c']],
    ['a window that moved on', ['a', 'b', 'b'], ['b', 'b', 'c'], ['c']],
    ['a new log', ['a', 'b'], ['c', 'd'], ['c', 'd']],
    ['the first lines', [], ['a'], ['a']],
  ])('%s: only what was not shown yet is new', (_, before, tail, expected) => {
    expect(newLines(before, tail)).toEqual(expected);
  });
});
