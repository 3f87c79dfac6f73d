import type { ActivityRow, EventFrame } from '@molecule/contract';
import { describe, expect, it } from 'vitest';
import { addCalls, callFromEvent, callFromRow, pairCalls, WINDOW_MS } from './calls.ts';
import { layoutSeats, overlaps } from './layout.ts';
import { routeCall } from './route-call.ts';

const NOW = Date.parse('2026-01-01T12:00:00Z');
const row = (fields: Partial<ActivityRow>): ActivityRow => ({
  id: 'row',
  workspace_id: 'a',
  activity_type: 'delegation',
  source_id: 'a',
  target_id: 'b',
  method: 'delegate',
  summary: null,
  duration_ms: null,
  status: 'ok',
  error_detail: null,
  created_at: new Date(NOW).toISOString(),
  ...fields,
});

describe('calls', () => {
  it('a delegation seen as an event and as a row is one call', () => {
    const live = callFromEvent({
      event: 'DELEGATION_SENT',
      workspace_id: 'a',
      timestamp: new Date(NOW).toISOString(),
      payload: { delegation_id: 'd1', target_id: 'b', task_preview: 'x' },
    } as EventFrame);
    const stored = callFromRow(row({ request_body: { delegation_id: 'd1' } }));
    const calls = addCalls(
      new Map(),
      [live, stored].flatMap((each) => each ?? []),
      NOW,
    );
    expect(pairCalls(calls, NOW)).toMatchObject([{ from: 'a', to: 'b', count: 1, failed: 0, kind: 'live' }]);
  });

  it('more than a fifth failed makes the pair failing; a result only marks its call', () => {
    const calls = addCalls(
      new Map(),
      [
        callFromRow(row({ metadata: { delegation_id: 'd1' } })),
        callFromRow(row({ id: 'r2', method: 'delegate_result', status: 'error', metadata: { delegation_id: 'd1' } })),
      ].flatMap((each) => each ?? []),
      NOW,
    );
    expect(pairCalls(calls, NOW)).toMatchObject([{ count: 1, failed: 1, kind: 'failing' }]);
  });

  it('after five minutes a pair is recent, after an hour it is gone', () => {
    const calls = addCalls(new Map(), [callFromRow(row({})) ?? []].flat(), NOW);
    expect(pairCalls(calls, NOW + 400_000)[0]?.kind).toBe('recent');
    expect(pairCalls(calls, NOW + WINDOW_MS + 1)).toEqual([]);
  });
});

describe('calls of who is inside a folded team', () => {
  it('are the calls of that team: one line for all of them, none for those within it', () => {
    const call = (id: string, from: string, to: string, status = 'ok') =>
      callFromRow(row({ id, source_id: from, target_id: to, status, metadata: { delegation_id: id } }));
    const calls = addCalls(
      new Map(),
      [
        call('1', 'lead', 'x'),
        call('2', 'lead', 'y', 'failed'),
        call('3', 'x', 'y'),
        call('4', 'lead', 'gone'),
      ].flatMap((each) => each ?? []),
      NOW,
    );
    const ends: Record<string, string | null> = { lead: 'lead', x: 'team', y: 'team', gone: null };
    expect(pairCalls(calls, NOW, (id) => ends[id] ?? null)).toMatchObject([
      { from: 'lead', to: 'team', callers: ['lead'], callees: ['x', 'y'], count: 2, failed: 1, kind: 'failing' },
    ]);
  });
});

describe('routeCall', () => {
  const layout = layoutSeats(
    [
      ['lead', null, 100, 100],
      ['a', 'lead', 116, 230],
      ['b', 'lead', 370, 230],
      ['c', 'lead', 116, 374],
      ['alone', null, 900, 100],
    ].map(
      ([id, parentId, x, y]) => ({ id, parentId, x, y, collapsed: false }) as Parameters<typeof layoutSeats>[0][number],
    ),
  );

  it('parent to child is a stub in the gap above the child', () => {
    expect(routeCall(layout, 'lead', 'a')).toMatchObject({
      path: 'M236 212V230',
      end: { x: 236, y: 230 },
      isFar: false,
    });
  });

  it('lines between siblings stay in the gutters', () => {
    for (const [from, to] of [
      ['a', 'b'],
      ['a', 'c'],
      ['b', 'c'],
      ['c', 'b'],
    ] as const) {
      const route = routeCall(layout, from, to);
      expect(route?.isFar).toBe(false);
      const points = [...(route?.path ?? '').matchAll(/-?\d+(?:\.\d+)?/g)].map(Number);
      const ys = points.filter((_, index) => index > 0);
      expect(ys.length).toBeGreaterThan(0);
      const label = { x: (route?.label.x ?? 0) - 1, y: (route?.label.y ?? 0) - 1, width: 2, height: 2 };
      for (const id of ['a', 'b', 'c']) {
        const box = layout.byId.get(id);
        if (box) expect(overlaps(label, box)).toBe(false);
      }
    }
  });

  it('across teams it is a far curve; a folded end is its visible ancestor; within one box there is no line', () => {
    expect(routeCall(layout, 'a', 'alone')?.isFar).toBe(true);
    const folded = layoutSeats(
      layout.boxes.map((box) => ({
        id: box.id,
        parentId: box.parentId,
        x: box.x,
        y: box.y,
        collapsed: box.id === 'lead',
      })),
    );
    expect(routeCall(folded, 'a', 'b')).toBeNull();
    expect(routeCall(folded, 'a', 'alone')?.isFar).toBe(true);
  });
});
