// Reading JSON of callers and agents: strict UTF-8 text in, plain values out, never nested so deep that writing it again fails.

export type Json = Record<string, unknown>;

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `JSON.stringify` and PostgreSQL give up some thousand levels down; no honest message comes near this. */
const MOST_LEVELS = 100;

/** Stops at the limit, so the sender does not choose how deep this recursion goes. Every call passes here twice: no copies. */
function isDeeperThan(levels: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels < 0) return true;
  if (Array.isArray(value)) {
    for (const child of value) if (isDeeperThan(levels - 1, child)) return true;
    return false;
  }
  for (const name in value) if (isDeeperThan(levels - 1, (value as Json)[name])) return true;
  return false;
}

/** @returns undefined for what is not JSON, or is nested too deep; JSON itself is never undefined. */
export function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return isDeeperThan(MOST_LEVELS, value) ? undefined : value;
  } catch {
    return undefined;
  }
}
