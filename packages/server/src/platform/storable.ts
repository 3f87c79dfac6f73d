// What a request may hold so that the store can keep it, judged before any query. Meaning is the schema's business.

/** PostgreSQL and JSON.stringify both give up far beyond this; no honest body comes near it. */
const MOST_LEVELS = 64;

export interface Unstorable {
  /** Dotted path of what is at fault; empty = the value itself. */
  field: string;
  message: string;
}

function judgeText(text: string): string | null {
  if (text.includes('\0')) return 'must not contain NUL characters';
  return text.isWellFormed() ? null : 'must not contain half of a surrogate pair';
}

/** The first text that PostgreSQL cannot store, or the first level too deep. Walks without recursion: the depth is the caller's. */
export function findUnstorable(value: unknown): Unstorable | null {
  const open: { node: unknown; path: readonly string[] }[] = [{ node: { '': value }, path: [] }];
  for (let next = open.pop(); next; next = open.pop()) {
    const { node, path } = next;
    // The wrapper is no level of the value.
    if (path.length > MOST_LEVELS)
      return { field: path[1] ?? '', message: `must not be nested deeper than ${MOST_LEVELS} levels` };
    for (const [key, child] of Object.entries(node as object)) {
      const message = judgeText(key) ?? (typeof child === 'string' ? judgeText(child) : null);
      if (message) return { field: [...path, key].slice(1).join('.'), message };
      if (typeof child === 'object' && child !== null) open.push({ node: child, path: [...path, key] });
    }
  }
  return null;
}
