import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { applyEvent } from './apply-event.ts';
import { at, frame, modelOf, ms, view } from './fixtures.ts';
import { mergeSnapshot } from './merge-snapshot.ts';
import { EMPTY_MODEL, type LiveModel, TOMBSTONE_MS } from './model.ts';

const apply = (model: LiveModel, ...frames: Parameters<typeof applyEvent>[1][]) =>
  frames.reduce((next, each) => applyEvent(next, each, Date.parse(each.timestamp)), model);
const provisioning = (id: string, seconds = 1, more: Record<string, unknown> = {}) =>
  frame('WORKSPACE_PROVISIONING', id, { name: id, tier: 2, runtime: 'echo', ...more }, seconds);

describe('applyEvent', () => {
  it('adds a starting workspace with an absolute position', () => {
    const model = apply(
      modelOf(view('lead', { x: 100, y: 50 })),
      provisioning('child', 2, { parent_id: 'lead', x: 16, y: 130 }),
    );
    expect(model.nodes.child).toMatchObject({ status: 'provisioning', parent_id: 'lead', x: 116, y: 180 });
    expect(model.order).toEqual(['lead', 'child']);
  });

  it('keeps ONLINE that arrives before PROVISIONING and applies it once the workspace is known', () => {
    const early = apply(EMPTY_MODEL, frame('WORKSPACE_ONLINE', 'a', { url: 'http://a' }, 2));
    expect(early.nodes.a).toBeUndefined();
    const model = apply(early, provisioning('a', 1));
    expect(model.nodes.a).toMatchObject({ status: 'online', url: 'http://a' });
    expect(model.order).toEqual(['a']);
    expect(model.waiting).toEqual({});
  });

  it('ignores an event older than the last of its field group, and only of that group', () => {
    const model = apply(
      modelOf(view('a')),
      frame('WORKSPACE_OFFLINE', 'a', {}, 10),
      frame('WORKSPACE_ONLINE', 'a', {}, 5),
      frame('WORKSPACE_HEARTBEAT', 'a', { active_tasks: 3, uptime_seconds: 9 }, 6),
    );
    expect(model.nodes.a).toMatchObject({ status: 'offline', active_tasks: 3 });
  });

  it('a heartbeat never creates a workspace', () => {
    const model = apply(EMPTY_MODEL, frame('WORKSPACE_HEARTBEAT', 'a', { active_tasks: 0, uptime_seconds: 1 }));
    expect(model).toBe(EMPTY_MODEL);
  });

  it('a heartbeat changes one workspace object and leaves the others as they are', () => {
    const before = modelOf(view('a'), view('b'));
    const after = apply(before, frame('WORKSPACE_HEARTBEAT', 'a', { active_tasks: 1, uptime_seconds: 1 }));
    expect(after.nodes.b).toBe(before.nodes.b);
    expect(after.nodes.a).not.toBe(before.nodes.a);
  });

  it('clears what no longer holds: task when offline, error and restart badge when online', () => {
    const busy = modelOf(
      view('a', { current_task: 'x', active_tasks: 1, needs_restart: true, last_sample_error: 'boom' }),
    );
    expect(apply(busy, frame('WORKSPACE_OFFLINE', 'a')).nodes.a).toMatchObject({ current_task: '', active_tasks: 0 });
    expect(apply(busy, frame('WORKSPACE_ONLINE', 'a')).nodes.a).toMatchObject({
      last_sample_error: null,
      needs_restart: false,
    });
  });

  it('an agent that went says why; silence is left to the age of its last beat', () => {
    const offline = (reason?: string) =>
      apply(modelOf(view('a', { last_sample_error: 'old' })), frame('WORKSPACE_OFFLINE', 'a', reason ? { reason } : {}))
        .nodes.a?.last_sample_error;
    expect(offline('the process ended with code 70')).toBe('the process ended with code 70');
    expect(offline('no heartbeat')).toBeNull();
    expect(offline()).toBe('old');
  });

  it('a failed start carries its reason', () => {
    const model = apply(modelOf(view('a')), frame('WORKSPACE_PROVISION_FAILED', 'a', { error: 'no key' }));
    expect(model.nodes.a).toMatchObject({ status: 'failed', last_sample_error: 'no key' });
  });

  it('children of a removed workspace move up, and stay', () => {
    const model = apply(
      modelOf(view('root'), view('lead', { parent_id: 'root' }), view('child', { parent_id: 'lead' })),
      frame('WORKSPACE_REMOVED', 'lead'),
    );
    expect(model.order).toEqual(['root', 'child']);
    expect(model.nodes.child?.parent_id).toBe('root');
  });

  it('a removed workspace is not brought back by late events', () => {
    const model = apply(
      modelOf(view('a')),
      frame('WORKSPACE_REMOVED', 'a', {}, 5),
      provisioning('a', 4),
      frame('WORKSPACE_ONLINE', 'a', {}, 6),
    );
    expect(model.nodes).toEqual({});
    expect(model.waiting).toEqual({});
  });

  it('moves a workspace to another team', () => {
    const model = apply(
      modelOf(view('a'), view('b')),
      frame('WORKSPACE_MOVED', 'b', { parent_id: 'a', previous_parent_id: null }),
    );
    expect(model.nodes.b?.parent_id).toBe('a');
  });

  it('a local write is held against an event of another browser', () => {
    const before: LiveModel = { ...modelOf(view('a'), view('b')), writes: { b: { parent_id: 'a' } } };
    const model = apply(before, frame('WORKSPACE_MOVED', 'b', { parent_id: null, previous_parent_id: 'a' }));
    expect(model.nodes.b?.parent_id).toBe('a');
  });

  it('the status after any order of delivery is the one of the newest event', () => {
    const names = ['WORKSPACE_ONLINE', 'WORKSPACE_OFFLINE', 'WORKSPACE_PAUSED', 'WORKSPACE_HIBERNATED'] as const;
    const shown = {
      WORKSPACE_ONLINE: 'online',
      WORKSPACE_OFFLINE: 'offline',
      WORKSPACE_PAUSED: 'paused',
      WORKSPACE_HIBERNATED: 'hibernated',
    };
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.record({ name: fc.constantFrom(...names), seconds: fc.integer({ min: 1, max: 500 }) }), {
          minLength: 1,
          selector: (event) => event.seconds,
        }),
        (events) => {
          const model = apply(
            modelOf(view('a')),
            ...events.map((event) =>
              frame(event.name, 'a', event.name === 'WORKSPACE_PAUSED' ? { name: 'a' } : {}, event.seconds),
            ),
          );
          const newest = events.reduce((a, b) => (a.seconds > b.seconds ? a : b));
          expect(model.nodes.a?.status).toBe(shown[newest.name]);
        },
      ),
    );
  });
});

describe('mergeSnapshot', () => {
  it('a list fetched before a removal cannot bring the workspace back; a later one may', () => {
    const removed = apply(modelOf(view('a')), frame('WORKSPACE_REMOVED', 'a', {}, 100));
    const stale = mergeSnapshot(removed, { rows: [view('a')], askedAt: ms(99), framesSince: [] }, ms(101));
    expect(stale.order).toEqual([]);
    const after = ms(101) + TOMBSTONE_MS;
    const later = mergeSnapshot(stale, { rows: [view('a')], askedAt: after, framesSince: [] }, after);
    expect(later.order).toEqual(['a']);
  });

  it('frames that arrived while the list was fetched are applied over it', () => {
    const since = [frame('WORKSPACE_OFFLINE', 'a', {}, 10)];
    const model = apply(modelOf(view('a')), ...since);
    const merged = mergeSnapshot(model, { rows: [view('a')], askedAt: ms(9), framesSince: since }, ms(11));
    expect(merged.nodes.a?.status).toBe('offline');
  });

  it('server values win over the picture, but not over a write that is not acknowledged', () => {
    const before: LiveModel = { ...modelOf(view('a', { x: 5, y: 5 })), writes: { a: { x: 9, y: 9 } } };
    const merged = mergeSnapshot(
      before,
      { rows: [view('a', { x: 1, y: 1, name: 'new' })], askedAt: ms(1), framesSince: [] },
      ms(2),
    );
    expect(merged.nodes.a).toMatchObject({ x: 9, y: 9, name: 'new' });
  });

  it('keeps since when a workspace is starting across lists', () => {
    const model = apply(EMPTY_MODEL, provisioning('a', 3));
    const row = view('a', { status: 'provisioning', status_changed_at: at(0) });
    const merged = mergeSnapshot(model, { rows: [row], askedAt: ms(4), framesSince: [] }, ms(5));
    expect(merged.nodes.a?.startingSince).toBe(at(3));
  });
});

describe('replay', () => {
  const history = [
    provisioning('a', 1),
    frame('WORKSPACE_ONLINE', 'a', { url: 'http://a' }, 2),
    provisioning('b', 3, { parent_id: 'a', x: 16, y: 130 }),
    frame('WORKSPACE_HEARTBEAT', 'a', { active_tasks: 2, uptime_seconds: 4 }, 4),
    frame('WORKSPACE_DEGRADED', 'a', { sample_error: '529', error_rate: 0.6 }, 5),
    frame('TASK_UPDATED', 'a', { current_task: 'x', active_tasks: 2 }, 6),
    frame('WORKSPACE_MOVED', 'b', { parent_id: null, previous_parent_id: 'a' }, 7),
    frame('WORKSPACE_REMOVED', 'a', {}, 8),
  ];
  const shape = ({ nodes, order }: LiveModel) => ({ nodes, order });

  it('every event twice is the same as once', () => {
    const once = apply(EMPTY_MODEL, ...history);
    expect(apply(EMPTY_MODEL, ...history.flatMap((each) => [each, each]))).toEqual(once);
  });

  it('a reconnect that replays any tail of what was seen changes nothing', () => {
    const seen = apply(EMPTY_MODEL, ...history.slice(0, 7));
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 6 }), (from) => {
        expect(shape(apply(seen, ...history.slice(from, 7)))).toEqual(shape(seen));
      }),
    );
  });
});
