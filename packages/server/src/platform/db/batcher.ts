// Group commit: the writes of many callers in the same moment become one statement; each caller is answered after its commit.
// Not a delay: an idle batcher flushes at once and gathers only while a flush is in flight, and through the rest after it.

import { isStoreFull, isUnavailable } from '../store-errors.ts';
import { assertOutsideTransaction } from './transactions.ts';

export interface BatcherOptions<In, Out> {
  name: string;
  /** Writes all items in one statement, so all or none. @returns one result per item, in order. */
  flush(items: In[]): Promise<Out[]>;
  maxRows?: number;
  maxBytes?: number;
  sizeOf?(item: In): number;
  /** Milliseconds between a flush and the next, for writes nobody waits for: fewer, larger statements under load. */
  restMs?: number;
}

export interface Batcher<In, Out> {
  /** Resolves after the item's commit; rejects with its own error, or with the store's when that fails. */
  add(item: In): Promise<Out>;
  /** Resolves when nothing waits and nothing is being written. */
  idle(): Promise<void>;
}

interface Waiting<In, Out> {
  item: In;
  bytes: number;
  resolve(result: Out): void;
  reject(error: unknown): void;
}

const MAX_ROWS = 500;
const MAX_BYTES = 4 * 1024 * 1024;

export function createBatcher<In, Out>({
  name,
  flush,
  maxRows = MAX_ROWS,
  maxBytes = MAX_BYTES,
  sizeOf,
  restMs = 0,
}: BatcherOptions<In, Out>): Batcher<In, Out> {
  let waiting: Waiting<In, Out>[] = [];
  let writing: Promise<void> | null = null;

  function takeBatch(): Waiting<In, Out>[] {
    let bytes = 0;
    let count = 0;
    while (count < waiting.length && count < maxRows) {
      bytes += (waiting[count] as Waiting<In, Out>).bytes;
      if (count > 0 && bytes > maxBytes) break;
      count += 1;
    }
    const batch = waiting.slice(0, count);
    waiting = waiting.slice(count);
    return batch;
  }

  /**
   * A batch that fails for what it holds is halved until the guilty item fails alone: the others are still written. When the store
   * itself failed, every caller is told: a second try could write what the first one did commit.
   */
  async function write(batch: Waiting<In, Out>[]): Promise<void> {
    let results: Out[];
    try {
      results = await flush(batch.map(({ item }) => item));
    } catch (error) {
      if (batch.length === 1 || isUnavailable(error) || isStoreFull(error)) {
        for (const { reject } of batch) reject(error);
        return;
      }
      const half = batch.length >> 1;
      await write(batch.slice(0, half));
      await write(batch.slice(half));
      return;
    }
    // Written, but nobody knows which result is whose.
    const mismatch =
      results.length === batch.length
        ? null
        : new Error(`${name}: ${results.length} results for ${batch.length} items`);
    for (const [index, { resolve, reject }] of batch.entries())
      mismatch ? reject(mismatch) : resolve(results[index] as Out);
  }

  async function drain(): Promise<void> {
    // Callers of the same tick share the first flush.
    await null;
    while (waiting.length > 0) {
      await write(takeBatch());
      if (restMs > 0) await new Promise((resolve) => setTimeout(resolve, restMs));
    }
    writing = null;
  }

  return {
    async add(item) {
      assertOutsideTransaction();
      // Measured before it waits, so that an item nobody can measure fails alone.
      const bytes = sizeOf?.(item) ?? 0;
      return await new Promise<Out>((resolve, reject) => {
        waiting.push({ item, bytes, resolve, reject });
        writing ??= drain();
      });
    },
    async idle() {
      while (writing) await writing;
    },
  };
}
