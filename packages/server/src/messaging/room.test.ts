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
  room.noteBeat(TARGET);
  expect([room.isFull(TARGET, false), room.isFull(TARGET, true)]).toEqual([false, true]);
  room.forget(TARGET);
  expect(room.isFull(TARGET, true)).toBe(false);
});

it('of the tasks a beat counted, those whose calls began before it and ended after it are over', () => {
  const { room, pass, now } = createRoomAt();
  const before = now();
  expect(room.heardSince(TARGET, before)).toBe(false);
  pass(1);
  room.noteBeat(TARGET);
  expect(room.heardSince(TARGET, before)).toBe(true);
  room.noteEnded(TARGET, before);
  room.noteEnded(TARGET, now() + 1);
  expect(room.endedSinceBeat(TARGET)).toBe(1);
  room.noteBeat(TARGET);
  expect(room.endedSinceBeat(TARGET)).toBe(0);
});
