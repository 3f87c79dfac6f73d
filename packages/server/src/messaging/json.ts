// Reading JSON of callers and agents: strict UTF-8 text in, plain values out, never nested so deep that writing it again fails.

export type Json = Record<string, unknown>;

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `JSON.stringify` and PostgreSQL give up some thousand levels down; no honest message comes near this. */
const MOST_LEVELS = 100;

/** Walks without recursion: the depth is the sender's choice. */
function isTooDeep(value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth += 1) {
    if (depth > MOST_LEVELS) return true;
    level = level.flatMap((node) =>
      typeof node === 'object' && node !== null
        ? Object.values(node).filter((child) => typeof child === 'object' && child !== null)
        : [],
    );
  }
  return false;
}

/** @returns undefined for what is not JSON, or is nested too deep; JSON itself is never undefined. */
export function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return isTooDeep(value) ? undefined : value;
  } catch {
    return undefined;
  }
}
