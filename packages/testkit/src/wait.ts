// Waiting for something no event tells of: looks again and again until it is so, or fails at a deadline.

import { setTimeout as pause } from 'node:timers/promises';

const LOOK_EVERY_MS = 10;
const DEADLINE_MS = 10_000;

/**
 * Resolves with the first value that is not null, undefined or false.
 * @throws when there is none before the deadline; `what` says what was waited for.
 */
export async function waitFor<T>(
  what: string,
  look: () => T | Promise<T>,
  deadlineMs = DEADLINE_MS,
): Promise<NonNullable<Exclude<T, false>>> {
  const until = Date.now() + deadlineMs;
  for (;;) {
    const value = await look();
    if (value !== null && value !== undefined && value !== false) return value as NonNullable<Exclude<T, false>>;
    if (Date.now() > until) throw new Error(`waited ${deadlineMs} ms in vain: ${what}`);
    await pause(LOOK_EVERY_MS);
  }
}
