// Searching the log of a workspace: what is found, in which order, and how far a search goes.

import { createSeat, startPlatform, type TestPlatform } from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MOST_ROWS, PATIENCE_MS, STRETCH_ROWS, searchSession } from './index.ts';
import { selectMatches, selectStretch } from './store.ts';

let test: TestPlatform;
beforeAll(async () => {
  test = await startPlatform();
});
afterAll(async () => {
  await test?.stop();
});

const search = (id: string, q: string, limit?: number) =>
  test.admin.searchSession({ params: { id }, query: { q, ...(limit ? { limit } : {}) } });

async function report(id: string, fields: Record<string, unknown>): Promise<void> {
  await test.admin.reportActivity({ params: { id }, body: { activity_type: 'agent_log', ...fields } });
}

/** Rows numbered from 1 in the order of the log. */
async function fill(id: string, count: number): Promise<void> {
  await sql`
    insert into activity_logs (workspace_id, activity_type, summary)
    select ${id}::uuid, 'agent_log', 'row ' || n || '.' from generate_series(1, ${count}::int) n order by n
  `.execute(test.db.kysely);
}

describe('GET /workspaces/:id/session-search', () => {
  it('20.134 looks into summary, type, method, status, error and both bodies, in any case of letters and newest first', async () => {
    const { id } = await createSeat(test);
    const other = await createSeat(test);
    await report(id, { summary: 'Prüfung der ÄRZTE' });
    await report(id, { method: 'tool/Invoice' });
    await report(id, { status: 'needle-status' });
    await report(id, { error_detail: 'the disk is full' });
    await report(id, { request_body: { note: 'she said "Grüße"\nand left', amount: 100 } });
    await report(id, { response_body: ['50% off_now', 'c:\\temp'] });
    await report(other.id, { summary: 'ärzte elsewhere' });
    const found = async (q: string) => (await search(id, q)).length;
    expect({
      summary: await found('ärzte'),
      method: await found('INVOICE'),
      status: await found('Needle-Status'),
      error: await found('DISK is'),
      body: await found('grüsse'),
      quoted: await found('"GRÜßE"\nand'),
      percent: await found('0% OFF_n'),
      wildcard: await found('0%now'),
      underscore: await found('off__'),
      backslash: await found('C:\\Temp'),
      type: await found('agent_log'),
      nothing: await found('no such words'),
    }).toEqual({
      summary: 1,
      method: 1,
      status: 1,
      error: 1,
      body: 0,
      quoted: 1,
      percent: 1,
      wildcard: 0,
      underscore: 0,
      backslash: 1,
      type: 6,
      nothing: 0,
    });
    const all = await search(id, '');
    expect(all.map(({ kind, label, method }) => [kind, label, method])[4]).toEqual([
      'activity',
      'agent_log',
      'tool/Invoice',
    ]);
    expect(all.at(-1)).toEqual({
      kind: 'activity',
      id: expect.any(String),
      workspace_id: id,
      label: 'agent_log',
      content: 'Prüfung der ÄRZTE',
      method: null,
      status: 'ok',
      created_at: expect.any(String),
    });
    expect((await search(id, 'DISK'))[0]?.content).toBe('the disk is full');
  });

  it('a page holds 50, 200 at most; an unknown workspace is 404, another’s agent 401', async () => {
    const { id } = await createSeat(test);
    await fill(id, 600);
    const sizes = [];
    for (const limit of [undefined, 3, 200, 999]) sizes.push((await search(id, 'row', limit)).length);
    expect(sizes).toEqual([50, 3, 200, 200]);
    // Beyond one stretch, and in order across them.
    expect((await search(id, 'row 1')).slice(0, 3).map(({ content }) => content)).toEqual([
      'row 199.',
      'row 198.',
      'row 197.',
    ]);
    const raw = (workspace: string, token = test.adminToken) =>
      test.client(token).raw('GET', `/workspaces/${workspace}/session-search?q=x`);
    expect((await raw(crypto.randomUUID())).status).toBe(404);
    expect((await raw(id, (await createSeat(test)).token)).status).toBe(401);
  });

  it('20.134 goes 20,000 rows back, or two seconds, and says how far; every statement reads one stretch by the index', async () => {
    const { id } = await createSeat(test);
    await fill(id, MOST_ROWS + 100);
    const inTime = () => 0;
    const ask = (q: string, now = inTime) => searchSession(test.db, id, { q, limit: 1 }, now);
    expect(await ask('row 100.')).toEqual({ items: [], searchedSince: expect.any(Date) });
    expect(await ask('row 101.')).toMatchObject({ items: [{ content: 'row 101.' }], searchedSince: null });
    let looks = 0;
    const late = () => {
      looks += 1;
      return looks > 2 ? PATIENCE_MS : 0;
    };
    const newest = MOST_ROWS + 100;
    expect(await ask(`row ${newest - STRETCH_ROWS}.`, late)).toEqual({ items: [], searchedSince: expect.any(Date) });

    const response = await test.admin.raw('GET', `/workspaces/${id}/session-search?q=no+such+words`);
    expect(await response.json()).toEqual([]);
    expect(Date.parse(response.headers.get('x-searched-since') ?? '')).toBeGreaterThan(0);
    const found = await test.admin.raw('GET', `/workspaces/${id}/session-search?q=row`);
    expect(found.headers.get('x-searched-since')).toBeNull();

    await sql`analyze activity_logs`.execute(test.db.kysely);
    for (const query of [selectStretch(id, 9_000, 250), selectMatches(id, 'x', 8_750, 9_000, 50)]) {
      const { rows } = await sql<{ 'QUERY PLAN': string }>`explain ${query}`.execute(test.db.kysely);
      const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
      expect(plan).toContain('activity_logs_seq_idx');
      expect(plan).not.toContain('Seq Scan');
    }
  });
});
