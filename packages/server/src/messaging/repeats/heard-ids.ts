// Whether a message id was heard of before, told from memory where it can be: an id that was never noted is new, one that was may
// be. Bloom filters, so that millions of ids cost megabytes, and a store that is asked once too often is all a mistake leads to.

/** 16 bits an id and four probes: one new id in five hundred looks known. */
const BITS = 2 ** 24;
const PROBES = 4;
const IDS_PER_FILTER = 1_000_000;
/** 32 MB. More ids a day than fit are looked up in the store instead. */
const MOST_FILTERS = 16;

interface Filter {
  words: Uint32Array;
  count: number;
  /** When the last id was noted, by the clock of the caller. */
  notedAt: number;
}

export interface HeardIds {
  /** Notes the id. @returns false when it certainly was not noted before. */
  note(id: string, now: number): boolean;
  /** Forgets what was last noted before that time. */
  forgetBefore(time: number): void;
  /** An id found no room and was not noted. Stays so until `reset`. */
  hasOverflowed(): boolean;
  reset(): void;
  size(): number;
}

export function createHeardIds(limits = { idsPerFilter: IDS_PER_FILTER, mostFilters: MOST_FILTERS }): HeardIds {
  let filters: Filter[] = [];
  let overflowed = false;
  /** Of the id at hand; variables, because every call comes through here. */
  let first = 0;
  let second = 0;

  function hash(id: string): void {
    first = 0x811c9dc5;
    second = 0x9747b28c;
    for (let at = 0; at < id.length; at += 1) {
      const unit = id.charCodeAt(at);
      first = Math.imul(first ^ unit, 0x01000193);
      second = Math.imul((second << 13) | (second >>> 19), 5) ^ Math.imul(unit, 0xcc9e2d51);
    }
    second |= 1;
  }

  function probe({ words }: Filter, set: boolean): boolean {
    let isKnown = true;
    for (let n = 0; n < PROBES; n += 1) {
      const bit = (first + Math.imul(n, second)) & (BITS - 1);
      const mask = 1 << (bit & 31);
      const word = words[bit >>> 5] as number;
      if ((word & mask) !== 0) continue;
      isKnown = false;
      if (!set) break;
      words[bit >>> 5] = word | mask;
    }
    return isKnown;
  }

  function filterWithRoom(): Filter | null {
    const last = filters.at(-1);
    if (last && last.count < limits.idsPerFilter) return last;
    if (filters.length >= limits.mostFilters) return null;
    const fresh = { words: new Uint32Array(BITS / 32), count: 0, notedAt: 0 };
    filters.push(fresh);
    return fresh;
  }

  return {
    note(id, now) {
      hash(id);
      // Noted anew in the youngest, or it would be forgotten with the day it was first heard of.
      let isKnown = false;
      for (const filter of filters) isKnown = isKnown || probe(filter, false);
      const filter = filterWithRoom();
      if (!filter) overflowed = true;
      else {
        if (!probe(filter, true)) filter.count += 1;
        filter.notedAt = now;
      }
      return isKnown;
    },
    forgetBefore(time) {
      if (filters.some(({ notedAt }) => notedAt < time)) filters = filters.filter(({ notedAt }) => notedAt >= time);
    },
    hasOverflowed: () => overflowed,
    reset() {
      filters = [];
      overflowed = false;
    },
    size: () => filters.reduce((sum, { count }) => sum + count, 0),
  };
}
