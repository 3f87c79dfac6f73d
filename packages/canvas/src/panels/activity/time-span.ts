// A span of time as it is typed. Pure.

/** What the platform looks back at most: 30 days. */
export const MOST_SECONDS = 30 * 86_400;

/** Seconds of a typed span; null for what is none, or more than there is. */
export function readSpan(text: string, unitSeconds: number): number | null {
  const count = Number(text.trim().replace(',', '.'));
  const seconds = Math.round(count * unitSeconds);
  return Number.isFinite(seconds) && seconds >= 1 && seconds <= MOST_SECONDS ? seconds : null;
}
