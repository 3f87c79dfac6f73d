import { describe, expect, it } from 'vitest';
import { at, ms, view } from '../live/fixtures.ts';
import { toNode, type WorkspaceNode } from '../live/model.ts';
import { listOverdue, patienceFor, runClocks, type StartClocks } from './start-clock.ts';

const starting = (id: string, second = 0, fields: Parameters<typeof view>[1] = {}): WorkspaceNode =>
  toNode(view(id, { status: 'provisioning', status_changed_at: at(second), ...fields }));

const first = (seconds: number) => ({ nowMs: ms(seconds), passedMs: null, isLive: true });
const later = (seconds: number, passedS: number, isLive = true) => ({
  nowMs: ms(seconds),
  passedMs: passedS * 1000,
  isLive,
});

describe('the clock of a start', () => {
  it('begins with the start, not with the page, and stands still while the socket is down', () => {
    const node = starting('a');
    let clocks: StartClocks = runClocks({}, [node], first(100));
    expect(clocks.a?.ranMs).toBe(100_000);
    clocks = runClocks(clocks, [node], later(119, 19));
    clocks = runClocks(clocks, [node], later(300, 181, false));
    expect(clocks.a?.ranMs).toBe(119_000);
    expect(listOverdue(clocks, [node])).toEqual([]);
    clocks = runClocks(clocks, [node], later(302, 2));
    expect(listOverdue(clocks, [node])).toEqual([node]);
  });

  it('does not count the night a laptop slept, nor a clock that was set back', () => {
    const node = starting('a');
    const clocks = runClocks({}, [node], first(10));
    expect(runClocks(clocks, [node], later(30_000, 29_990)).a?.ranMs).toBe(70_000);
    expect(runClocks(clocks, [node], later(5, -5)).a?.ranMs).toBe(10_000);
  });

  it('starts again with a new start, and is gone with another status', () => {
    const clocks = runClocks({}, [starting('a')], first(200));
    expect(runClocks(clocks, [starting('a', 200)], later(201, 1)).a?.ranMs).toBe(0);
    expect(runClocks(clocks, [{ ...starting('a'), status: 'online' }], later(201, 1))).toEqual({});
  });

  it('keeps what was dismissed dismissed for the rest of this start', () => {
    const node = starting('a');
    const clocks = runClocks({}, [node], first(200));
    const dismissed = { a: { ...clocks.a, dismissed: true } } as StartClocks;
    expect(listOverdue(runClocks(dismissed, [node], later(260, 60)), [node])).toEqual([]);
    const again = starting('a', 300);
    let restarted = runClocks(dismissed, [again], later(301, 1));
    for (const second of [361, 421, 422]) restarted = runClocks(restarted, [again], later(second, 60));
    expect(listOverdue(restarted, [again])).toEqual([again]);
  });

  it('allows 120 s unless the template says otherwise, and 45 s more for each start beyond three at once', () => {
    expect(patienceFor(starting('a'), 1)).toBe(120_000);
    expect(patienceFor(starting('a', 0, { provision_timeout_ms: 5_000 }), 3)).toBe(5_000);
    expect(patienceFor(starting('a'), 5)).toBe(210_000);
  });

  it('does not believe another clock: one that is behind makes a fresh start not late, one that is ahead not negative', () => {
    expect(runClocks({}, [starting('a')], later(500, 1)).a?.ranMs).toBe(0);
    expect(runClocks({}, [starting('a', 60)], first(0)).a?.ranMs).toBe(0);
  });
});
