import { createHmac } from 'node:crypto';
import {
  createManualClock,
  createSeat,
  type FakeAgent,
  type ManualClock,
  messageIdOf,
  replyWith,
  startFakeAgent,
  startPlatform,
  type TestPlatform,
} from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GITHUB_SECRET, githubComment, post, sendGithub } from '../../test/webhook-senders.ts';

let test: TestPlatform;
let replica: TestPlatform;
let clock: ManualClock;
let agent: FakeAgent;

beforeAll(async () => {
  clock = createManualClock();
  const env = { GITHUB_WEBHOOK_SECRET: GITHUB_SECRET };
  test = await startPlatform({ clock, env });
  await test.platform.supervisor.stop();
  replica = await startPlatform({ clock, env, db: test.db, dataDir: test.dataDir });
  await replica.platform.supervisor.stop();
  agent = await startFakeAgent(test, { respond: replyWith('on it') });
});
afterAll(async () => {
  await agent?.stop();
  await replica?.stop();
  await test?.stop();
});

const idle = () => Promise.all([test, replica].map(({ platform }) => platform.messaging.idle()));
const told = () => agent.calls.map((call) => (call.body as { params: { message: unknown } }).params.message);
const comment = (text = 'look at this', more: object = {}) => ({
  event: 'issue_comment',
  payload: { ...githubComment(text), ...more },
  workspaceId: agent.id,
});

async function addSchedule(id: string, name: string, enabled = true): Promise<string> {
  const body = { cron_expr: '0 0 1 1 *', prompt: 'work', name, enabled };
  return (await test.admin.createSchedule({ params: { id }, body })).id;
}
const isDue = async (id: string) => {
  const rows = await test.db.kysely.selectFrom('workspace_schedules').selectAll().where('id', '=', id).execute();
  return (rows[0]?.next_run_at?.getTime() ?? Number.POSITIVE_INFINITY) <= clock.now();
};

describe('a delivery of GitHub', () => {
  it('20.86 with a bad signature or none ⇒ 401; without a secret ⇒ 503; what breaks nothing ⇒ 202; an opened issue ⇒ schedules due, with their count', async () => {
    const other = await createSeat(test);
    const [mine, named, off, theirs] = [
      await addSchedule(agent.id, 'Pick-Up-Work now'),
      await addSchedule(agent.id, 'report'),
      await addSchedule(agent.id, 'pick-up-work, off', false),
      await addSchedule(other.id, 'pick-up-work'),
    ];
    const opened = { event: 'issues', payload: { action: 'opened' } };

    expect(await sendGithub(test.url, { ...opened, secret: 'another secret' })).toMatchObject({
      status: 401,
      body: { code: 'invalid_signature' },
    });
    expect((await post(`${test.url}/webhooks/github`, '{}', { 'x-github-event': 'issues' })).status).toBe(401);
    const tampered = createHmac('sha256', GITHUB_SECRET).update('{}').digest('hex');
    expect(
      (await post(`${test.url}/webhooks/github`, '{"a":1}', { 'x-hub-signature-256': `sha256=${tampered}` })).status,
    ).toBe(401);
    const unset = await startPlatform({ db: test.db, dataDir: test.dataDir });
    expect(await sendGithub(unset.url, opened)).toMatchObject({
      status: 503,
      body: { code: 'webhook_not_configured' },
    });
    await unset.stop();

    expect(await sendGithub(test.url, { event: 'issues', payload: { action: 'closed' } })).toEqual({
      status: 202,
      body: { status: 'ignored', reason: 'nothing is done for issues closed' },
    });
    for (const conclusion of ['success', 'skipped', 'neutral'])
      expect(
        (
          await sendGithub(test.url, {
            event: 'workflow_run',
            payload: { action: 'completed', workflow_run: { conclusion } },
          })
        ).status,
      ).toBe(202);
    expect(await Promise.all([mine, theirs].map(isDue))).toEqual([false, false]);

    expect(await sendGithub(test.url, { ...opened, id: 'opened-1', workspaceId: agent.id })).toEqual({
      status: 200,
      body: { status: 'triggered', event: 'issues', action: 'opened', schedules_affected: 1 },
    });
    expect(await Promise.all([mine, named, off, theirs].map(isDue))).toEqual([true, false, false, false]);
    // Without a workspace it is for all; delivered again it is for nobody.
    expect((await sendGithub(test.url, { ...opened, id: 'opened-2' })).body.schedules_affected).toBe(2);
    expect((await sendGithub(test.url, { ...opened, id: 'opened-2' })).body.schedules_affected).toBe(0);
    expect(await isDue(theirs)).toBe(true);
  });

  it('of a submitted review makes the schedules of reviews due', async () => {
    const [review, security, another] = [
      await addSchedule(agent.id, 'PR review'),
      await addSchedule(agent.id, 'nightly security review'),
      await addSchedule(agent.id, 'reviewing'),
    ];
    const payload = { action: 'submitted' };
    const answer = await sendGithub(test.url, { event: 'pull_request_review', payload, workspaceId: agent.id });
    expect(answer.body.schedules_affected).toBe(2);
    expect(await Promise.all([review, security, another].map(isDue))).toEqual([true, true, false]);
  });

  it('of a comment becomes one message of nobody in the tree, which says where it comes from, and is logged with its origin', async () => {
    const before = agent.calls.length;
    const answer = await sendGithub(test.url, { ...comment('please fix'), id: 'c-1' });
    expect(answer).toEqual({
      status: 200,
      body: {
        status: 'accepted',
        event: 'issue_comment',
        action: 'created',
        workspace_id: agent.id,
        message_id: 'webhook-github-c-1',
      },
    });
    await idle();
    expect(agent.calls.length).toBe(before + 1);
    expect(told().at(-1)).toMatchObject({
      role: 'user',
      messageId: 'webhook-github-c-1',
      parts: [{ kind: 'text', text: expect.stringContaining('please fix') }],
      metadata: {
        source: 'webhook:github',
        event: 'issue_comment',
        action: 'created',
        delivery_id: 'c-1',
        repository: 'o/r',
        sender: 'octocat',
        number: 12,
        url: 'https://github.example/o/r/issues/12#c1',
      },
    });
    expect(agent.calls.at(-1)?.headers['x-workspace-id']).toBeUndefined();
    const [row] = await test.admin.listActivity({ params: { id: agent.id } });
    expect(row).toMatchObject({
      activity_type: 'a2a_receive',
      origin: 'webhook:github',
      source_id: null,
      status: 'ok',
    });
  });

  it('is acted upon once, however often and wherever it is delivered; for another workspace it is another one', async () => {
    const [before, other] = [agent.calls.length, await startFakeAgent(test)];
    const delivery = { ...comment(), id: 'again' };
    const answers = await Promise.all([test, replica, test, replica].map(({ url }) => sendGithub(url, delivery)));
    await idle();
    answers.push(await sendGithub(test.url, delivery));
    await idle();
    expect(new Set(answers.map(({ status, body }) => `${status} ${body.message_id}`))).toEqual(
      new Set(['200 webhook-github-again']),
    );
    expect(agent.calls.slice(before).map(messageIdOf)).toEqual(['webhook-github-again']);
    expect((await sendGithub(test.url, { ...delivery, workspaceId: other.id })).status).toBe(200);
    await idle();
    expect(other.calls.map(messageIdOf)).toEqual(['webhook-github-again']);
    await other.stop();
  });

  it('is stored before it is acknowledged: an agent that cannot be reached gets it later', async () => {
    const { id } = await createSeat(test);
    expect((await sendGithub(test.url, { ...comment(), workspaceId: id })).status).toBe(200);
    await idle();
    const items = await sql<{ status: string; origin: string }>`
      select status, origin from a2a_queue where workspace_id = ${id}
    `.execute(test.db.kysely);
    expect(items.rows).toEqual([{ status: 'queued', origin: 'webhook:github' }]);
  });

  it('of a broken build and of a comment on code tells what matters, as a form too', async () => {
    const run = {
      conclusion: 'failure',
      name: 'tests',
      head_branch: 'main',
      head_sha: 'abc123',
      run_number: 7,
      html_url: 'https://github.example/o/r/actions/runs/7',
    };
    const broken = { action: 'completed', workflow_run: run, repository: { full_name: 'o/r' }, workspace_id: agent.id };
    expect((await sendGithub(test.url, { event: 'workflow_run', payload: broken })).status).toBe(200);
    await idle();
    expect(told().at(-1)).toMatchObject({ metadata: { event: 'workflow_run', number: 7, url: run.html_url } });
    expect(JSON.stringify(told().at(-1))).toMatch(/tests.*failure.*main.*abc123/);

    const payload = {
      ...githubComment('off by one'),
      pull_request: { number: 13, title: 'Loop' },
      comment: {
        body: 'off by one',
        path: 'src/a.ts',
        line: 4,
        html_url: 'https://github.example/c',
        user: { login: 'x' },
      },
    };
    const form = new URLSearchParams({ payload: JSON.stringify(payload) }).toString();
    const answer = await post(
      `${test.url}/webhooks/github/${agent.id}`,
      form,
      {
        'x-github-event': 'pull_request_review_comment',
        'x-github-delivery': 'form-1',
        'x-hub-signature-256': `sha256=${createHmac('sha256', GITHUB_SECRET).update(form).digest('hex')}`,
      },
      'application/x-www-form-urlencoded',
    );
    expect(answer.status).toBe(200);
    await idle();
    expect(JSON.stringify(told().at(-1))).toMatch(/o\/r#13.*src\/a\.ts:4.*off by one/);
  });

  it('that is signed and wrong is refused by field, and changes nothing', async () => {
    const before = agent.calls.length;
    const refused = async (more: object) => {
      const { status, body } = await sendGithub(test.url, { ...comment(), ...more });
      return [status, body.code, body.field];
    };
    expect(await refused({ id: '' })).toEqual([400, 'invalid_request', 'X-GitHub-Delivery']);
    expect(await refused({ id: 'x'.repeat(201) })).toEqual([400, 'invalid_request', 'X-GitHub-Delivery']);
    expect(await refused({ event: '' })).toEqual([400, 'invalid_request', 'X-GitHub-Event']);
    expect(await refused({ workspaceId: undefined })).toEqual([400, 'invalid_request', 'workspace_id']);
    const named = { ...githubComment('x'), workspace_id: 'none' };
    expect(await refused({ workspaceId: undefined, payload: named })).toEqual([400, 'invalid_request', 'workspace_id']);
    expect(await refused({ workspaceId: '00000000-0000-4000-8000-000000000009' })).toEqual([
      404,
      'not_found',
      undefined,
    ]);
    expect(await refused({ payload: [] })).toEqual([400, 'invalid_json', undefined]);
    expect(await refused({ payload: { filler: 'x'.repeat(1_048_576) } })).toEqual([413, 'body_too_large', undefined]);
    await idle();
    expect(agent.calls.length).toBe(before);
  });

  it('is forgotten after a month', async () => {
    for (const id of ['old', 'young']) await sendGithub(test.url, { ...comment(), id });
    await sql`update webhook_deliveries set received_at = now() - interval '31 days' where delivery_id = 'old'`.execute(
      test.db.kysely,
    );
    const cleanup = test.platform.webhooks.loops.find(({ name }) => name === 'webhook-cleanup');
    expect(await cleanup?.run(new AbortController().signal)).toEqual({ deleted: 1 });
    const left = await sql<{ delivery_id: string }>`
      select delivery_id from webhook_deliveries where delivery_id in ('old', 'young')
    `.execute(test.db.kysely);
    expect(left.rows).toEqual([{ delivery_id: 'young' }]);
  });
});
