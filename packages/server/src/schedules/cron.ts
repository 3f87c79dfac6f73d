// Times of a schedule: five cron fields read in a time zone. Pure; the arithmetic is croner's.
// A time that a change to summer time skips is run at the end of the gap, one that comes twice is run once.

import { Cron } from 'croner';
import { invalid, PlatformError } from '../platform/errors.ts';

const FIELDS = 5;

function read(expression: string, timezone: string): Cron {
  // croner also reads dates, seconds and names such as `@daily`, which other readers of these rows do not.
  if (expression.trim().split(/\s+/).length !== FIELDS)
    throw new TypeError(`needs ${FIELDS} fields: minute, hour, day of month, month, day of week`);
  return new Cron(expression.trim(), { timezone, mode: '5-part', paused: true });
}

function nextRuns(expression: string, timezone: string, after: Date, count: number): Date[] {
  try {
    return read(expression, timezone).nextRuns(count, after);
  } catch {
    return [];
  }
}

/** The first run after `after`; null when the expression cannot be read or names no time that comes. */
export function findNextRun(expression: string, timezone: string, after: Date): Date | null {
  return nextRuns(expression, timezone, after, 1)[0] ?? null;
}

/** Seconds between the next two runs after `after`; null when there are no two. */
export function findIntervalSeconds(expression: string, timezone: string, after: Date): number | null {
  const [first, second] = nextRuns(expression, timezone, after, 2);
  return first && second ? (second.getTime() - first.getTime()) / 1000 : null;
}

function assertTimezone(timezone: string): void {
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone });
  } catch {
    throw new PlatformError('invalid_request', `invalid timezone: ${timezone}`, { field: 'timezone' });
  }
}

/** @throws invalid_request naming `timezone` or `cron_expr`, also for an expression whose time never comes. */
export function requireNextRun(expression: string, timezone: string, after: Date): Date {
  assertTimezone(timezone);
  let next: Date | null;
  try {
    next = read(expression, timezone).nextRun(after);
  } catch (error) {
    throw invalid('cron_expr', `is not a cron expression: ${(error as Error).message.replace(/^CronPattern: /, '')}`);
  }
  if (!next) throw invalid('cron_expr', 'names no time that ever comes');
  return next;
}
