import { randomUUID } from 'node:crypto';
import { activityQuery, type EventFrame } from '@molecule/contract';
import {
  createSeat,
  failureOf,
  type Seat,
  sendA2a,
  startPlatform,
  type TestPlatform,
  textRequest,
  waitFor,
} from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { selectRows } from './store.ts';

let test: TestPlatform;
let seat: Seat;
const frames: EventFrame[] = [];

beforeAll(async () => {
  test = await startPlatform();
  // Loops run when a test says so.
  await test.platform.supervisor.stop();
  test.platform.events.subscribe((frame) => frames.push(frame));
  seat = await createSeat(test);
});
afterAll(async () => {
  await test?.stop();
});

const clientOf = (of: Seat) => test.client(of.token);
const list = (of: Seat, query: Record<string, string | number> = {}) =>
  clientOf(of).listActivity({ params: { id: of.id }, query });
const report = (of: Seat, body: Record<string, unknown>) =>
  clientOf(of).reportActivity({ params: { id: of.id }, body: { activity_type: 'agent_log', ...body } as never });
const logged = (of: Seat) =>
  frames.filter((frame) => frame.event === 'ACTIVITY_LOGGED' && frame.workspace_id === of.id);

/** Stores rows 1…count and returns their ids in that order. */
async function writeRows(of: Seat, count: number): Promise<string[]> {
  for (let index = 1; index <= count; index += 1) await report(of, { summary: `row ${index}` });
  return (await list(of, { limit: 500 })).map(({ id }) => id).reverse();
}

describe('reading', () => {
  it('20.55 a span that is no positive whole number is refused, one beyond thirty days is cut', async () => {
    for (const since_secs of ['abc', '0', '-1', '1.5', ''])
      expect((await failureOf(list(seat, { since_secs }))).body).toMatchObject({
        code: 'invalid_request',
        field: 'since_secs',
      });
    const own = await createSeat(test);
    const [old, recent] = await writeRows(own, 2);
    await sql`update activity_logs set created_at = now() - interval '31 days' where id = ${old}`.execute(
      test.db.kysely,
    );
    expect((await list(own, { since_secs: 999_999_999 })).map(({ id }) => id)).toEqual([recent]);
    await sql`update activity_logs set created_at = now() - interval '29 days' where id = ${old}`.execute(
      test.db.kysely,
    );
    expect(await list(own, { since_secs: 999_999_999 })).toHaveLength(2);
    expect((await list(own, { since_secs: 3600 })).map(({ id }) => id)).toEqual([recent]);
  });

  it('20.56 after a cursor oldest first, without one newest first; foreign and pruned cursors look alike; filters add up', async () => {
    const own = await createSeat(test);
    const [one, two, three] = await writeRows(own, 3);
    const idsOf = async (query: Record<string, string | number>) => (await list(own, query)).map(({ id }) => id);
    expect(await idsOf({ since_id: one as string })).toEqual([two, three]);
    expect(await idsOf({ since_id: three as string })).toEqual([]);
    expect(await idsOf({})).toEqual([three, two, one]);
    expect(await idsOf({ since_id: one as string, limit: 1 })).toEqual([two]);

    const other = await createSeat(test);
    const [foreign] = await writeRows(other, 1);
    const [pruned] = await writeRows(seat, 1);
    await sql`delete from activity_logs where id = ${pruned}`.execute(test.db.kysely);
    const gone = await Promise.all(
      [foreign, pruned, randomUUID()].map((since_id) => failureOf(list(own, { since_id: since_id as string }))),
    );
    for (const { status, body } of gone)
      expect([status, body]).toEqual([410, { error: 'cursor not found', code: 'cursor_gone' }]);
    expect((await failureOf(list(own, { since_id: 'x' }))).status).toBe(400);

    await sql`update activity_logs set created_at = now() - interval '2 hours' where id = ${two}`.execute(
      test.db.kysely,
    );
    expect(await idsOf({ since_id: one as string, since_secs: 3600 })).toEqual([three]);
    const at = (await list(own)).find(({ id }) => id === three)?.created_at ?? '';
    expect(await idsOf({ before_ts: at })).toEqual([two, one]);
    expect((await failureOf(list(own, { before_ts: 'yesterday' }))).status).toBe(400);
    expect(await idsOf({ type: 'error' })).toEqual([]);
    expect((await failureOf(list(own, { source: 'nobody' }))).status).toBe(400);
    expect(await list(own, { limit: 'x' })).toHaveLength(3);
  });

  it('20.62 the history with one peer is read through both partial indexes, in order and without doubles', async () => {
    const own = await createSeat(test, { delivery_mode: 'poll' });
    const peer = await createSeat(test);
    await sql`
      insert into activity_logs (workspace_id, activity_type, method, source_id, target_id)
      select ${own.id}::uuid, 'a2a_receive', 'message/send',
        case when n % 500 = 0 then ${peer.id}::uuid else gen_random_uuid() end,
        case when n % 700 = 0 then ${peer.id}::uuid else ${own.id}::uuid end
      from generate_series(1, 8000) n`.execute(test.db.kysely);
    await test.db.pool.query('analyze activity_logs');
    const rows = await list(own, { peer_id: peer.id, type: 'a2a_receive', limit: 10 });
    expect(rows).toHaveLength(10);
    expect(rows.every((row) => row.source_id === peer.id || row.target_id === peer.id)).toBe(true);
    const all = await list(own, { peer_id: peer.id, type: 'a2a_receive', limit: 500 });
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
    // n = 3500 and 7000 are both ways: 16 + 11 − 2.
    expect(all).toHaveLength(25);
    expect(all.slice(0, 10)).toEqual(rows);
    expect((await list(own, { peer_id: peer.id, since_id: all.at(-1)?.id as string })).map(({ id }) => id)).toEqual(
      all
        .map(({ id }) => id)
        .reverse()
        .slice(1),
    );

    const query = activityQuery.parse({ peer_id: peer.id, type: 'a2a_receive', limit: '50' });
    const { sql: text, parameters } = selectRows(own.id, query, null).compile(test.db.kysely);
    const { rows: plan } = await test.db.pool.query(`explain ${text}`, [...parameters]);
    const steps = JSON.stringify(plan);
    for (const index of ['activity_logs_source_idx', 'activity_logs_target_idx']) expect(steps).toContain(index);
    expect(steps).not.toContain('Seq Scan');
  });

  it('many writers at once: what a cursor has passed never gains a row', async () => {
    const own = await createSeat(test);
    const [first] = await writeRows(own, 1);
    const writers = Array.from({ length: 40 }, (_, index) => report(own, { summary: `w${index}` }));
    const seen: string[] = [];
    let cursor = first as string;
    await waitFor('all rows are read', async () => {
      for (const row of await list(own, { since_id: cursor, limit: 7 })) {
        seen.push(row.summary ?? '');
        cursor = row.id;
      }
      return seen.length === 40;
    });
    await Promise.all(writers);
    expect(new Set(seen).size).toBe(40);
  });
});

describe('reporting', () => {
  it('20.57 a foreign source is 403, an unknown type 400 with the known ones, memory_write is fine', async () => {
    const foreign = await failureOf(report(seat, { source_id: randomUUID() }));
    expect([foreign.status, foreign.body]).toMatchObject([
      403,
      { error: 'source_id must match authenticated workspace', code: 'source_mismatch' },
    ]);
    for (const activity_type of ['gossip', 'delegation', 'cron_run', 'memory_write_org']) {
      const unknown = await failureOf(report(seat, { activity_type }));
      expect([unknown.status, unknown.message]).toEqual([400, expect.stringContaining('memory_write')]);
    }
    expect(await report(seat, { activity_type: 'memory_write', source_id: seat.id.toUpperCase() })).toEqual({
      status: 'logged',
    });
    expect((await list(seat))[0]).toMatchObject({ activity_type: 'memory_write', source_id: seat.id, status: 'ok' });
  });

  it('texts are cut where they must be, without splitting a character, and metadata stands in for a request', async () => {
    await report(seat, {
      summary: '👩‍🚀'.repeat(200),
      error_detail: 'x'.repeat(5_000),
      metadata: { model: 'm' },
      duration_ms: 12,
    });
    const [row] = await list(seat);
    expect([...(row?.summary ?? '')]).toHaveLength(256);
    expect(row?.summary?.isWellFormed()).toBe(true);
    expect(row).toMatchObject({
      error_detail: 'x'.repeat(4_096),
      request_body: { model: 'm' },
      metadata: { model: 'm' },
      duration_ms: 12,
    });
  });

  it('20.58 a broadcast carries the bodies that are there, leaves out the ones that are not, and flags the ones that are too large', async () => {
    const own = await createSeat(test);
    const request_body = { task: 'what was really asked', delegation_id: 'd-1' };
    await report(own, {
      activity_type: 'a2a_send',
      method: 'delegate',
      target_id: seat.id,
      request_body,
      response_body: null,
    });
    const [row] = await list(own);
    const told = await waitFor('it is broadcast', () => logged(own)[0]);
    expect(told.payload).toMatchObject({
      id: row?.id,
      activity_type: 'a2a_send',
      request_body,
      source_id: own.id,
      target_id: seat.id,
    });
    expect(told.payload).not.toHaveProperty('response_body');
    await report(own, { response_body: { text: 'x'.repeat(300 * 1024) } });
    const large = await waitFor('the large one is broadcast', () => logged(own)[1]);
    expect(large.payload).toMatchObject({ response_body_truncated: true });
    expect(large.payload).not.toHaveProperty('response_body');
    expect(JSON.stringify((await list(own))[0]?.response_body)).toHaveLength(300 * 1024 + 11);
  });
});

describe('talking to the person', () => {
  const notify = (of: Seat, body: Record<string, unknown>) =>
    clientOf(of).notify({ params: { id: of.id }, body: body as never });
  const messages = (of: Seat) =>
    frames.filter((frame) => frame.event === 'AGENT_MESSAGE' && frame.workspace_id === of.id);

  it('20.59 a message is there after a reload, its attachments as files; a store that is down does not keep it from the person', async () => {
    const own = await createSeat(test);
    const attachments = [
      { uri: 'workspace:/out/a.png', name: 'a.png', mimeType: 'image/png', size: 12, extra: 'ignored' },
      { uri: 'https://files.example/b', name: 'b' },
    ];
    const files = [
      { uri: 'workspace:/out/a.png', name: 'a.png', mimeType: 'image/png', size: 12 },
      { uri: 'https://files.example/b', name: 'b' },
    ];
    expect(await notify(own, { message: 'done '.repeat(40), attachments, type: 'ignored' })).toEqual({
      status: 'sent',
    });
    const [row] = await list(own, { type: 'a2a_receive', source: 'canvas', limit: 50 });
    expect(row).toMatchObject({
      method: 'notify',
      source_id: null,
      summary: `Agent message: ${'done '.repeat(16)}`,
      response_body: { result: 'done '.repeat(40), parts: files.map((file) => ({ kind: 'file', file })) },
    });
    expect(row).not.toHaveProperty('request_body');
    expect(messages(own).map(({ payload }) => payload)).toMatchObject([
      {
        message: 'done '.repeat(40),
        workspace_id: own.id,
        name: expect.any(String),
        activity_id: row?.id,
        attachments: files,
      },
    ]);

    await test.db.pool.query('alter table activity_logs rename to activity_away');
    try {
      expect(await notify(own, { message: 'still said' })).toEqual({ status: 'sent' });
    } finally {
      await test.db.pool.query('alter table activity_away rename to activity_logs');
    }
    expect(messages(own)[1]?.payload).toMatchObject({ message: 'still said' });
    expect(await list(own)).toHaveLength(1);
  });

  it('20.138 an answer that names the inbox row it answers is said once, however often it is sent, and is that row’s receipt', async () => {
    const own = await createSeat(test, { delivery_mode: 'poll' });
    const sent = await sendA2a(test, own.id, textRequest('a question'));
    const inReplyTo = String(sent.body?.activity_id);
    const answer = { message: 'the answer', in_reply_to: inReplyTo };
    await Promise.all(Array.from({ length: 5 }, () => notify(own, answer)));
    await notify(own, answer);
    const rows = await list(own, { type: 'a2a_receive' });
    const [said, question] = rows;
    expect(rows).toHaveLength(2);
    expect(said).toMatchObject({ method: 'notify', metadata: { in_reply_to: inReplyTo } });
    expect(question?.answered_at).toBeDefined();
    expect(messages(own)).toHaveLength(1);
    const receipts = frames.filter((frame) => frame.event === 'RECEIPT_UPDATED' && frame.workspace_id === own.id);
    expect(receipts.map(({ payload }) => payload)).toEqual([
      expect.objectContaining({ activity_id: inReplyTo, answered_at: expect.any(String) }),
    ]);
    // Of nobody's row it is an answer all the same, and a store that is down is said to be so: it comes again.
    expect(await notify(own, { message: 'late', in_reply_to: randomUUID() })).toEqual({ status: 'sent' });
    await test.db.pool.query('alter table activity_logs rename to activity_away');
    try {
      const refused = await failureOf(notify(own, { message: 'lost?', in_reply_to: randomUUID() }));
      expect([refused.status, refused.code]).toEqual([503, 'inbox_unavailable']);
    } finally {
      await test.db.pool.query('alter table activity_away rename to activity_logs');
    }
    expect((await failureOf(notify(own, { message: 'x', in_reply_to: 'no id' }))).status).toBe(400);
  });

  it('20.60 an attachment without address or name, or with one nobody should open, refuses the whole message', async () => {
    const own = await createSeat(test);
    const empty = await failureOf(notify(own, { message: 'x', attachments: [{ uri: '', name: '' }] }));
    expect([empty.status, empty.message]).toEqual([400, 'attachment[0]: uri and name are required']);
    const good = { uri: '/workspace/a', name: 'a' };
    for (const bad of [
      { uri: 'javascript:alert(1)', name: 'a' },
      { uri: 'data:text/html,x', name: 'a' },
      { uri: '//evil.example/x', name: 'a' },
      { name: 'a' },
      'text',
    ])
      expect((await failureOf(notify(own, { message: 'x', attachments: [good, bad] }))).message).toContain(
        'attachment[1]',
      );
    expect((await failureOf(notify(own, { message: 'x', attachments: Array(21).fill(good) }))).status).toBe(400);
    expect((await failureOf(notify(own, {}))).status).toBe(400);
    expect(await list(own)).toEqual([]);
    expect(messages(own)).toEqual([]);
    for (const uri of ['workspace:/a', 'platform-pending:x', 'http://a', 'https://a', 'file:///a', '/a'])
      expect(await notify(own, { message: uri, attachments: [{ uri, name: 'a' }] })).toEqual({ status: 'sent' });
  });

  it('a workspace that was removed says nothing', async () => {
    const own = await createSeat(test);
    await test.admin.deleteWorkspace({ params: { id: own.id } });
    const gone = await failureOf(test.admin.notify({ params: { id: own.id }, body: { message: 'x' } }));
    expect(gone.status).toBe(404);
  });
});

it('retention takes rows by age, and unread inbox rows only after thirty days', async () => {
  const own = await createSeat(test, { delivery_mode: 'poll' });
  await report(own, { summary: 'old' });
  await sendA2a(test, own.id, textRequest('unread'));
  await sendA2a(test, own.id, textRequest('unread for a month'));
  const [month, week, old] = await list(own);
  const age = (id: string | undefined, days: number) =>
    sql`update activity_logs set created_at = now() - make_interval(days => ${days}) where id = ${id}`.execute(
      test.db.kysely,
    );
  await age(old?.id, 8);
  await age(week?.id, 29);
  await age(month?.id, 31);
  const retention = test.platform.activity.loops.find(({ name }) => name === 'activity-retention');
  await retention?.run(new AbortController().signal);
  expect((await list(own)).map(({ id }) => id)).toEqual([week?.id]);
  expect((await failureOf(list(own, { since_id: old?.id as string }))).status).toBe(410);
});

it('10.77 20.80 a seat that looks busy without any activity for ten minutes is reset and counted; one that is active is not', async () => {
  const fresh = await startPlatform();
  const metric = async (of: TestPlatform) =>
    /^molecule_phantom_busy_resets_total (\d+)$/m.exec(
      await (await fetch(`${of.url}/metrics`, { headers: { authorization: `Bearer ${of.adminToken}` } })).text(),
    )?.[1];
  expect(await metric(fresh)).toBe('0');
  await fresh.stop();

  const idle = await createSeat(test);
  const active = await createSeat(test);
  const skipping = await createSeat(test);
  for (const { id, token } of [idle, active, skipping]) {
    const body = { workspace_id: id, active_tasks: 1, current_task: 'something', uptime_seconds: 1 };
    await test.client(token).heartbeat({ body: body as never });
  }
  await report(active, { summary: 'still at it' });
  // Its schedules are skipped because it looks busy.
  await test.platform.activity.log({ workspaceId: skipping.id, type: 'cron_run', status: 'skipped' });
  await sql`update workspaces set status_changed_at = now() - interval '11 minutes' where id in (${idle.id}, ${active.id}, ${skipping.id})`.execute(
    test.db.kysely,
  );
  const loop = test.platform.activity.loops.find(({ name }) => name === 'phantom-busy');
  await loop?.run(new AbortController().signal);
  const tasksOf = async ({ id }: Seat) => (await test.admin.getWorkspace({ params: { id } })).active_tasks;
  expect([await tasksOf(idle), await tasksOf(active), await tasksOf(skipping)]).toEqual([0, 1, 0]);
  expect(Number(await metric(test))).toBeGreaterThanOrEqual(1);
  await waitFor('the reset is told', () =>
    frames.find(
      (frame) => frame.event === 'TASK_UPDATED' && frame.workspace_id === idle.id && frame.payload.active_tasks === 0,
    ),
  );
});
