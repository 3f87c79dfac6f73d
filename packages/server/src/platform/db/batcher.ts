// Group commit: the writes of many callers in the same moment become one statement; each caller is answered after its commit.
// Not a delay: an idle batcher flushes at once and gathers only while a flush is in flight.

export interface BatcherOptions<In, Out> {
  name: string;
  /** Writes all items and commits. @returns one result per item, in order. */
  flush(items: In[]): Promise<Out[]>;
  maxRows?: number;
  maxBytes?: number;
  sizeOf?(item: In): number;
}

export interface Batcher<In, Out> {
  /** Resolves after the item's commit; rejects with its own error. */
  add(item: In): Promise<Out>;
  /** Resolves when nothing waits and nothing is being written. */
  idle(): Promise<void>;
}

interface Waiting<In, Out> {
  item: In;
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
}: BatcherOptions<In, Out>): Batcher<In, Out> {
  let waiting: Waiting<In, Out>[] = [];
  let writing: Promise<void> | null = null;

  function takeBatch(): Waiting<In, Out>[] {
    let bytes = 0;
    let count = 0;
    while (count < waiting.length && count < maxRows) {
      bytes += sizeOf?.((waiting[count] as Waiting<In, Out>).item) ?? 0;
      if (count > 0 && bytes > maxBytes) break;
      count += 1;
    }
    const batch = waiting.slice(0, count);
    waiting = waiting.slice(count);
    return batch;
  }

  /** A failed batch is halved until the guilty item fails alone: the others are still written. */
  async function write(batch: Waiting<In, Out>[]): Promise<void> {
    try {
      const results = await flush(batch.map(({ item }) => item));
      if (results.length !== batch.length)
        throw new Error(`${name}: ${results.length} results for ${batch.length} items`);
      for (const [index, { resolve }] of batch.entries()) resolve(results[index] as Out);
    } catch (error) {
      if (batch.length === 1) return batch[0]?.reject(error);
      const half = batch.length >> 1;
      await write(batch.slice(0, half));
      await write(batch.slice(half));
    }
  }

  async function drain(): Promise<void> {
    while (waiting.length > 0) await write(takeBatch());
    writing = null;
  }

  return {
    add(item) {
      return new Promise((resolve, reject) => {
        waiting.push({ item, resolve, reject });
        // Callers of the same tick share the first flush.
        writing ??= Promise.resolve().then(drain);
      });
    },
    async idle() {
      while (writing) await writing;
    },
  };
}
