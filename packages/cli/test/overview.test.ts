// `molecule status` and `doctor` against a real platform in trouble: what is there, what is wrong with it, and what mends it.

import { createManualClock, startPlatform, type TestPlatform, waitFor } from '@molecule/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accessTo, endCommands, run } from './cli.ts';

afterAll(endCommands);

interface Finding {
  check: string;
  level: string;
  detail: string;
  fix: string;
}

describe('a platform in trouble', () => {
  const clock = createManualClock();
  let test: TestPlatform;
  let env: Record<string, string>;
  let leadId: string;

  beforeAll(async () => {
    test = await startPlatform({ clock });
    env = accessTo(test);
    leadId = (await test.admin.createWorkspace({ body: { name: 'Lead', external: true } })).id;
    const { id } = await test.admin.createWorkspace({ body: { name: 'Report', runtime: 'echo', parent_id: leadId } });
    await waitFor(
      'the seat has failed for want of a backend',
      async () => (await test.admin.getWorkspace({ params: { id } })).status === 'failed',
    );
    const last_sample_error = 'OPENAI_API_KEY is \u001b[2Jnot set';
    await test.db.kysely.updateTable('workspaces').set({ last_sample_error }).where('id', '=', id).execute();
  });
  afterAll(() => test?.stop());

  it('status shows the tree with statuses and reasons, and what agents say never controls the terminal', async () => {
    const { code, out, err } = await run(['status'], env);
    expect([code, err]).toEqual([0, '']);
    const rows = out.split('\n').map((line) => line.split(/ {2,}/));
    expect(out).toContain(`Molecule 0.0.0-test at ${test.url}: ok`);
    expect(rows).toContainEqual([
      'Lead',
      'awaiting_agent',
      'external',
      '0/1',
      'waits for its agent to connect',
      leadId.slice(0, 8),
    ]);
    expect(out).toMatch(/^ {2}Report +failed +echo +0\/1 +OPENAI_API_KEY is not set /m);
    expect(out).not.toContain('\u001b');
  });

  it('status --json is one document with the platform and every workspace', async () => {
    const status = await run(['status', '--json'], env);
    expect(status.json()).toMatchObject({
      ok: true,
      url: test.url,
      health: { status: 'ok' },
      info: { store: test.db.kind, backend: 'none' },
      workspaces: [{ id: leadId }, { name: 'Report', status: 'failed' }],
    });
  });

  it('a wrong token is refused with the way to the right one', async () => {
    const [wrong, none] = await Promise.all([
      run(['status'], { ...env, MOLECULE_TOKEN: 'wrong' }),
      run(['doctor'], { MOLECULE_URL: test.url }),
    ]);
    expect(wrong).toMatchObject({
      code: 1,
      err: expect.stringContaining('does not accept the token from MOLECULE_TOKEN\n'),
    });
    expect(wrong.err).toContain('MOLECULE_TOKEN=$(cat ');
    expect(none).toMatchObject({ code: 1, out: expect.stringContaining('wants a token, and none was found') });
  });

  it('doctor names late loops, the missing backend, the failed workspace and its key, each with what mends it', async () => {
    clock.advance(86_400_000);
    const { code, json } = await run(['doctor', '--json'], env);
    expect(code).toBe(1);
    const findings = json().findings as Finding[];
    const find = (check: string) => findings.find((finding) => finding.check === check);
    expect(find('platform')).toMatchObject({ level: 'problem', detail: expect.stringContaining('degraded') });
    expect(find('loop')).toMatchObject({
      level: 'problem',
      detail: expect.stringMatching(/^\S+ is late, it last ran \d+ s ago/),
    });
    expect(find('backend')).toMatchObject({
      level: 'note',
      fix: expect.stringContaining('MOLECULE_PROVISIONER=process'),
    });
    expect(find('store')).toMatchObject({ level: 'ok' });
    expect(find('model')).toMatchObject({ level: 'note' });
    expect(find('workspace Report')).toMatchObject({
      level: 'problem',
      fix: 'save OPENAI_API_KEY in the canvas under Settings; molecule logs Report',
    });
    expect(findings.filter(({ level, fix }) => level === 'problem' && fix === '')).toEqual([]);
  });
});
