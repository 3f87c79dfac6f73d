// Statements that are planned once per connection: those that begin with `/* hot:<name> */`. Planning is more than half of what
// a heartbeat costs the store. A text must never change under its name, so it holds no inlined values.

import pg from 'pg';

const HOT = /^\s*\/\* hot:([a-z-]+) \*\//;
const names = new Map<string, string | null>();
const MOST_TEXTS = 2_000;

function nameOf(text: string): string | null {
  const known = names.get(text);
  if (known !== undefined) return known;
  const name = HOT.exec(text)?.[1] ?? null;
  if (names.size >= MOST_TEXTS) names.clear();
  names.set(text, name);
  return name;
}

export class PlanningClient extends pg.Client {
  // biome-ignore lint/suspicious/noExplicitAny: node-postgres overloads it seven ways, and all but one pass through
  override query(...given: any[]): any {
    const [text, values, ...rest] = given;
    const name = typeof text === 'string' && Array.isArray(values) ? nameOf(text) : null;
    // biome-ignore lint/suspicious/noExplicitAny: see above
    const query = super.query as (...input: any[]) => any;
    return name === null ? query.apply(this, given) : query.apply(this, [{ name, text, values }, ...rest]);
  }
}
