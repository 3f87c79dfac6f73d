// Group commit, with a store that answers when the test says so.

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createBatcher } from './batcher.ts';

interface Flush {
  items: string[];
  commit(): void;
  fail(error: Error): void;
}

/** A batcher whose flushes wait for the test. */
function createHarness(options: { maxRows?: number; maxBytes?: number; lingerMs?: number } = {}) {
  const flushes: Flush[] = [];
  const batcher = createBatcher<string, string>({
    name: 'test',
    sizeOf: (item) => item.length,
    ...options,
    flush: (items) =>
      new Promise((resolve, reject) =>
        flushes.push({ items, commit: () => resolve(items.map((item) => `${item}!`)), fail: reject }),
      ),
  });
  const nextFlush = async (number: number): Promise<Flush> => {
    await expect.poll(() => flushes.length, { interval: 1 }).toBe(number);
    return flushes[number - 1] as Flush;
  };
  return { batcher, flushes, nextFlush };
}

const itemError = (message: string) => Object.assign(new Error(message), { code: '23505' });

describe('a batcher', () => {
  it('flushes at once when idle, and callers of the same tick together', async () => {
    const { batcher, flushes } = createHarness();
    const results = ['a', 'b', 'c'].map((item) => batcher.add(item));
    // Microtasks only: no timer has to fire.
    await Promise.resolve().then(() => {});
    expect(flushes.map(({ items }) => items)).toEqual([['a', 'b', 'c']]);
    flushes[0]?.commit();
    expect(await Promise.all(results)).toEqual(['a!', 'b!', 'c!']);
  });

  it('gathers while a flush is in flight, and answers nobody before the commit of its own batch', async () => {
    const { batcher, flushes, nextFlush } = createHarness();
    const answered: string[] = [];
    const add = (item: string) => batcher.add(item).then((result) => answered.push(result));
    const first = add('a');
    const flight = await nextFlush(1);
    const later = ['b', 'c', 'd'].map(add);
    expect(flushes).toHaveLength(1);
    flight.commit();
    await first;
    const second = await nextFlush(2);
    expect(second.items).toEqual(['b', 'c', 'd']);
    expect(answered).toEqual(['a!']);
    second.commit();
    await Promise.all(later);
    expect(answered).toEqual(['a!', 'b!', 'c!', 'd!']);
  });

  it('bounds a batch by rows and by bytes; one item larger than the bound goes alone', async () => {
    const { batcher, flushes, nextFlush } = createHarness({ maxRows: 3, maxBytes: 10 });
    const items = ['1', '2', '3', '4', '55555', '66666', '7777777777777', '8'];
    const results = items.map((item) => batcher.add(item));
    for (let number = 1; number <= 5; number += 1) (await nextFlush(number)).commit();
    expect(flushes.map((flush) => flush.items)).toEqual([
      ['1', '2', '3'],
      ['4', '55555'],
      ['66666'],
      ['7777777777777'],
      ['8'],
    ]);
    expect(await Promise.all(results)).toEqual(items.map((item) => `${item}!`));
  });

  it('splits a batch that failed for one item: the guilty one fails alone, with its own error', async () => {
    const guilty = new Set(['c', 'g']);
    const written: string[] = [];
    const batcher = createBatcher<string, string>({
      name: 'test',
      async flush(items) {
        const bad = items.find((item) => guilty.has(item));
        if (bad) throw itemError(`${bad} is guilty`);
        written.push(...items);
        return items;
      },
    });
    const outcomes = await Promise.all(
      [...'abcdefgh'].map((item) => batcher.add(item).catch((error: Error) => error.message)),
    );
    expect(outcomes).toEqual(['a', 'b', 'c is guilty', 'd', 'e', 'f', 'g is guilty', 'h']);
    expect(written).toEqual(['a', 'b', 'd', 'e', 'f', 'h']);
  });

  it('tells every caller when the store failed, and does not write a second time what may be committed', async () => {
    const { batcher, flushes, nextFlush } = createHarness();
    for (const [number, code] of ['08006', '53100'].entries()) {
      const results = ['a', 'b', 'c'].map((item) => batcher.add(item).catch((error: { code: string }) => error.code));
      (await nextFlush(number + 1)).fail(Object.assign(new Error('no store'), { code }));
      expect(await Promise.all(results)).toEqual([code, code, code]);
    }
    await batcher.idle();
    expect(flushes).toHaveLength(2);
  });

  it('goes on after a failure, and is idle when everything is written', async () => {
    const { batcher, nextFlush } = createHarness();
    const failed = batcher.add('a');
    (await nextFlush(1)).fail(itemError('no'));
    await expect(failed).rejects.toThrow('no');
    const stored = batcher.add('b');
    let idle = false;
    const waiting = batcher.idle().then(() => {
      idle = true;
    });
    const flight = await nextFlush(2);
    expect(idle).toBe(false);
    flight.commit();
    await waiting;
    expect(await stored).toBe('b!');
  });

  it('fails every caller of a batch whose results cannot be told apart', async () => {
    const batcher = createBatcher<string, string>({ name: 'short', flush: async () => ['only one'] });
    const outcomes = await Promise.allSettled([batcher.add('a'), batcher.add('b')]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['rejected', 'rejected']);
    expect(String((outcomes[0] as PromiseRejectedResult).reason)).toContain('short: 1 results for 2 items');
  });
});

describe('items that can wait', () => {
  const LINGER_MS = 500;
  const canWait = { canWait: true };
  const begun = (flushes: Flush[]) => flushes.map(({ items }) => items.join(''));

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('linger for company until their time is over', async () => {
    const { batcher, flushes } = createHarness({ lingerMs: LINGER_MS });
    const first = batcher.add('a', canWait);
    await vi.advanceTimersByTimeAsync(LINGER_MS - 1);
    const second = batcher.add('b', canWait);
    expect(begun(flushes)).toEqual([]);
    await vi.advanceTimersByTimeAsync(1);
    expect(begun(flushes)).toEqual(['ab']);
    flushes[0]?.commit();
    expect(await Promise.all([first, second])).toEqual(['a!', 'b!']);
  });

  it('leave with the first that cannot wait, when they are sixteen, or when everything is to be written', async () => {
    const { batcher, flushes } = createHarness({ lingerMs: LINGER_MS });
    const written = async (expected: string) => {
      await vi.advanceTimersByTimeAsync(0);
      expect(begun(flushes)).toEqual([expected]);
      flushes.pop()?.commit();
      // Long enough for what follows not to look like load.
      await vi.advanceTimersByTimeAsync(100);
    };
    void batcher.add('a', canWait);
    void batcher.add('b');
    await written('ab');
    for (const item of 'abcdefghijklmno') void batcher.add(item, canWait);
    await vi.advanceTimersByTimeAsync(0);
    expect(begun(flushes)).toEqual([]);
    void batcher.add('p', canWait);
    await written('abcdefghijklmnop');
    void batcher.add('a', canWait);
    void batcher.idle();
    await written('a');
  });

  it('do not linger right after a flush: that is load, which gathers by itself', async () => {
    const { batcher, flushes } = createHarness({ lingerMs: LINGER_MS });
    const first = batcher.add('a');
    await vi.advanceTimersByTimeAsync(0);
    flushes[0]?.commit();
    await first;
    void batcher.add('b', canWait);
    await vi.advanceTimersByTimeAsync(0);
    expect(begun(flushes)).toEqual(['a', 'b']);
  });
});
