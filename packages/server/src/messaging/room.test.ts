import { expect, it } from 'vitest';
import { createRoom } from './room.ts';

const TARGET = 'target';

function createRoomAt() {
  let at = 1_000;
  const room = createRoom(() => at);
  return { room, pass: (ms: number) => (at += ms), now: () => at };
}

it('20.117 a target that refused is not asked again for a moment; then one call asks, however many come', () => {
  const { room, pass, now } = createRoomAt();
  expect(room.isFull(TARGET, true)).toBe(false);
  room.noteRefused(TARGET, now());
  expect(room.isFull(TARGET, false)).toBe(true);
  pass(101);
  expect([1, 2, 3].map(() => room.isFull(TARGET, true))).toEqual([false, true, true]);
  pass(101);
  expect([1, 2, 3].map(() => room.isFull(TARGET, true))).toEqual([false, true, true]);
  // Long after, nothing is known.
  pass(1_001);
  expect([1, 2, 3].map(() => room.isFull(TARGET, true))).toEqual([false, false, false]);
});

it('word of room ends that at once, unless others wait', () => {
  const { room, pass, now } = createRoomAt();
  room.noteRefused(TARGET, now());
  pass(1);
  room.noteBeat(TARGET, { receivedAt: now(), activeTasks: 0, messageIds: [] });
  expect([room.isFull(TARGET, false), room.isFull(TARGET, true)]).toEqual([false, true]);
  room.forget(TARGET);
  expect(room.isFull(TARGET, true)).toBe(false);
});

it('20.142 room that a claim used up is none for what is stored later, until there is word of more', () => {
  const { room, pass, now } = createRoomAt();
  const since = now();
  pass(1);
  room.noteEnded(TARGET, since, null);
  expect(room.heardSince(TARGET, since)).toBe(true);
  pass(1);
  const claimedAt = now();
  pass(1);
  room.noteUsedUp(TARGET, claimedAt);
  expect(room.heardSince(TARGET, since)).toBe(false);
  room.noteEnded(TARGET, since, null);
  expect(room.heardSince(TARGET, since)).toBe(true);
});

it('20.113 of the tasks a beat counted without a name, those whose calls were open when it came and ended since are over', () => {
  const { room, pass, now } = createRoomAt();
  const before = now();
  expect(room.heardSince(TARGET, before)).toBe(false);
  pass(1);
  const beat = () => room.noteBeat(TARGET, { receivedAt: now(), activeTasks: 2, messageIds: [] });
  beat();
  expect(room.heardSince(TARGET, before)).toBe(true);
  pass(1);
  room.noteEnded(TARGET, before, 'counted');
  room.noteEnded(TARGET, now(), 'began later');
  expect(room.overSinceBeat(TARGET)).toBe(1);
  pass(1);
  beat();
  expect(room.overSinceBeat(TARGET)).toBe(0);
});

it('20.141 a beat that names the message of a turn counted it, whether its answer came before the beat, while it was stored, or after', () => {
  for (const order of ['before', 'while stored', 'after']) {
    const { room, pass, now } = createRoomAt();
    const since = now();
    const end = () => {
      pass(1);
      room.noteEnded(TARGET, since, 'm1');
    };
    pass(1);
    if (order === 'before') end();
    const receivedAt = now();
    if (order === 'while stored') end();
    room.noteBeat(TARGET, { receivedAt, activeTasks: 2, messageIds: ['m1', 'm2'] });
    if (order === 'after') end();
    expect([order, room.overSinceBeat(TARGET)]).toEqual([order, 1]);
    // The next beat does not know it any more; nor does one that names the same id long after.
    pass(20_000);
    for (const messageIds of [['m2'], ['m1', 'm2']]) {
      room.noteBeat(TARGET, { receivedAt: now(), activeTasks: messageIds.length, messageIds });
      expect(room.overSinceBeat(TARGET)).toBe(0);
    }
  }
});

it('20.141 a call the beat names all others beside, and does not name, was none of its tasks', () => {
  const { room, pass, now } = createRoomAt();
  const since = now();
  pass(1);
  room.noteBeat(TARGET, { receivedAt: now(), activeTasks: 1, messageIds: ['m1'] });
  pass(1);
  room.noteEnded(TARGET, since, 'not begun by then');
  expect(room.overSinceBeat(TARGET)).toBe(0);
});
