// Group commit: the writes of many callers in the same moment become one statement; each caller is answered after its commit.
// Not a delay: an idle batcher flushes at once and gathers only while a flush is in flight, and through the rest after it.
// Who says that it can wait lingers a moment for company, unless the batcher is at work anyway.

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
  /** How long an item that can wait is kept for others to join it, in milliseconds. */
  lingerMs?: number;
}

export interface Batcher<In, Out> {
  /**
   * Resolves after the item's commit; rejects with its own error, or with the store's when that fails.
   * @param options.canWait up to `lingerMs`; any item that cannot takes it along.
   */
  add(item: In, options?: { canWait?: boolean }): Promise<Out>;
  /** Resolves when nothing waits and nothing is being written; nobody lingers any longer. */
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
/** So many lingering items are company enough. */
const MOST_LINGERING = 16;
/** Items that follow a flush this soon are load, and load gathers by itself: waiting would only slow it down. */
const LOAD_MS = 20;

export function createBatcher<In, Out>({
  name,
  flush,
  maxRows = MAX_ROWS,
  maxBytes = MAX_BYTES,
  sizeOf,
  restMs = 0,
  lingerMs = 0,
}: BatcherOptions<In, Out>): Batcher<In, Out> {
  let waiting: Waiting<In, Out>[] = [];
  let writing: Promise<void> | null = null;
  let lingering: NodeJS.Timeout | null = null;
  let flushedAt = Number.NEGATIVE_INFINITY;

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
    flushedAt = performance.now();
    writing = null;
  }

  function begin(): void {
    if (lingering) clearTimeout(lingering);
    lingering = null;
    writing ??= drain();
  }

  function mayLinger(): boolean {
    return lingerMs > 0 && !writing && waiting.length < MOST_LINGERING && performance.now() - flushedAt > LOAD_MS;
  }

  return {
    async add(item, { canWait = false } = {}) {
      assertOutsideTransaction();
      // Measured before it waits, so that an item nobody can measure fails alone.
      const bytes = sizeOf?.(item) ?? 0;
      return await new Promise<Out>((resolve, reject) => {
        waiting.push({ item, bytes, resolve, reject });
        if (canWait && mayLinger()) lingering ??= setTimeout(begin, lingerMs);
        else begin();
      });
    },
    async idle() {
      if (lingering) begin();
      while (writing) await writing;
    },
  };
}
