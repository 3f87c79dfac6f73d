// Who may run now.

import { expect, it } from 'vitest';
import { createTurnQueue, type Ticket } from './queue.ts';

async function isReady(ticket: Ticket | null): Promise<boolean> {
  return await Promise.race([
    ticket?.ready.then(() => true),
    new Promise<false>((done) => setImmediate(() => done(false))),
  ]).then(Boolean);
}

it('runs as many as it is wide, lets as many wait as it is deep, in their order', async () => {
  const queue = createTurnQueue({ width: 1, depth: 2 });
  const [first, second, third] = [queue.enter('a'), queue.enter('b'), queue.enter('c')];
  expect(queue.enter('d')).toBeNull();
  expect([await isReady(first), await isReady(second)]).toEqual([true, false]);
  first?.leave();
  expect([await isReady(second), await isReady(third)]).toEqual([true, false]);
  first?.leave();
  expect(queue.running()).toBe(1);
  expect(queue.waiting()).toBe(1);
});

it('never runs two turns of one context at once, and lets others pass them', async () => {
  const queue = createTurnQueue({ width: 2, depth: 2 });
  const [first, same, other] = [queue.enter('a'), queue.enter('a'), queue.enter('b')];
  expect([await isReady(first), await isReady(same), await isReady(other)]).toEqual([true, false, true]);
  first?.leave();
  expect(await isReady(same)).toBe(true);
});

it('forgets a turn that was withdrawn while it waited', async () => {
  const queue = createTurnQueue({ width: 1, depth: 1 });
  const first = queue.enter('a');
  queue.enter('b')?.leave();
  const third = queue.enter('c');
  first?.leave();
  expect(await isReady(third)).toBe(true);
});

it('grows at once, shrinks as turns end, and takes nobody once shut', async () => {
  const queue = createTurnQueue({ width: 1, depth: 1 });
  const [first, second] = [queue.enter('a'), queue.enter('b')];
  queue.setWidth(2);
  expect(await isReady(second)).toBe(true);
  queue.setWidth(1);
  const third = queue.enter('c');
  first?.leave();
  expect(await isReady(third)).toBe(false);
  second?.leave();
  expect(await isReady(third)).toBe(true);
  queue.shut();
  expect(queue.enter('d')).toBeNull();
});
