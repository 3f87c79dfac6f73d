// `molecule why` against a real platform whose agents hold what they are handed.

import {
  type FakeAgent,
  holdCalls,
  replyWith,
  startFakeAgent,
  startPlatform,
  type TestPlatform,
  waitFor,
} from '@molecule/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { accessTo, endCommands, run } from './cli.ts';

afterAll(endCommands);

let test: TestPlatform;
let env: Record<string, string>;
let lead: FakeAgent;
let worker: FakeAgent;
let task: string;
const held = holdCalls(replyWith('done'));

beforeAll(async () => {
  test = await startPlatform();
  env = accessTo(test);
  lead = await startFakeAgent(test, { name: 'Chief of Staff' });
  worker = await startFakeAgent(test, { name: 'Front End', respond: held.respond });
  const body = { target_id: worker.id, task: 'Is the plan picker ready?', parent_delegation_id: null };
  ({ delegation_id: task } = await test.client(lead.token).delegate({ params: { id: lead.id }, body }));
  await worker.waitForCalls(1);
  await worker.heartbeat({
    active_tasks: 1,
    current_task: 'Plan picker',
    active_messages: [task],
    active_delegations: [task],
    error_rate: 1,
    sample_error: '529 \u001b[2Joverloaded',
  });
  await waitFor('it is in progress', async () => {
    const { delegations } = await test.admin.listAllDelegations({ query: { delegation_id: task } });
    return delegations[0]?.status === 'in_progress';
  });
});
afterAll(async () => {
  held.release();
  await Promise.all([lead?.stop(), worker?.stop()]);
  await test?.stop();
});

it('20.133 shows the chain with its times, what was ruled out, what comes and what to do, for people', async () => {
  const { code, out, err } = await run(['why', 'chief'], env);
  expect([code, err]).toEqual([0, '']);
  const time = '\\d\\d:\\d\\d:\\d\\d';
  expect(out).toMatch(
    new RegExp(
      [
        '^Front End gets no answer from its model\\. One agent above it is waiting\\.',
        '',
        `1\\. Chief of Staff waits for Front End, since ${time}`,
        '   “Is the plan picker ready\\?”',
        `   accepted ${time}, picked up ${time}, not answered`,
        `2\\. Front End gets no answer from its model, since ${time}`,
        '   “Plan picker”',
        '   529 overloaded',
      ].join('\n'),
    ),
  );
  expect(out).toMatch(/Not the cause: Heartbeat \d+ s ago · .*No budget limit/);
  expect(out).toMatch(
    new RegExp(`By itself: Its next heartbeat is due in \\d+ s \\(${time}\\)\\. Gives up in (5 h 59 m|6 h 0 m)`),
  );
  expect(out).toMatch(
    /What you can do:\n {2}Restart Front End\. Its process starts anew\..*\n {4}molecule restart [0-9a-f-]{36} --url /,
  );
  expect(out).not.toContain('\u001b');
});

it('20.133 explains a delegation by its id, and is one document for programs', async () => {
  const [byId, json, idle] = await Promise.all([
    run(['why', task], env),
    run(['why', task, '--json'], env),
    run(['why', worker.id, '--json'], env),
  ]);
  expect([byId.code, byId.out]).toEqual([0, expect.stringContaining('1. Chief of Staff waits for Front End')]);
  expect(json.json()).toMatchObject({
    ok: true,
    stuck: true,
    subject: { kind: 'delegation', delegation_id: task },
    chain: [{ workspace_id: lead.id }, { workspace_id: worker.id, cause: 'model_errors' }],
  });
  expect(idle.json()).toMatchObject({ ok: true, chain: [{ workspace_id: worker.id }], behind: { total: 1 } });
});

it('20.133 what is neither a workspace nor a delegation is wrong usage', async () => {
  const unknown = await run(['why', 'nobody'], env);
  expect([unknown.code, unknown.out]).toEqual([2, '']);
  expect(unknown.err).toContain('no workspace is called "nobody"');
});
