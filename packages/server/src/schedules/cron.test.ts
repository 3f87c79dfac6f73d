import { describe, expect, it } from 'vitest';
import { findIntervalSeconds, findNextRun, requireNextRun } from './cron.ts';

const next = (expression: string, timezone: string, after: string) =>
  findNextRun(expression, timezone, new Date(after))?.toISOString() ?? null;

describe('the next run', () => {
  it('is a wall clock time in the zone, in winter and in summer', () => {
    expect(next('0 9 * * *', 'Europe/Berlin', '2026-01-10T12:00:00Z')).toBe('2026-01-11T08:00:00.000Z');
    expect(next('0 9 * * *', 'Europe/Berlin', '2026-07-10T12:00:00Z')).toBe('2026-07-11T07:00:00.000Z');
    expect(next('30 9 * * 1-5', 'Asia/Kolkata', '2026-01-09T12:00:00Z')).toBe('2026-01-12T04:00:00.000Z');
  });

  it('in the hour that summer time skips comes at its end, in the hour that comes twice once', () => {
    expect(next('30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00:00Z')).toBe('2026-03-29T01:00:00.000Z');
    expect(next('30 2 * * *', 'Europe/Berlin', '2026-03-29T01:00:00Z')).toBe('2026-03-30T00:30:00.000Z');
    expect(next('30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00:00Z')).toBe('2026-10-25T00:30:00.000Z');
    expect(next('30 2 * * *', 'Europe/Berlin', '2026-10-25T00:30:00Z')).toBe('2026-10-26T01:30:00.000Z');
  });

  it('on either day when both the day of the month and of the week are given', () => {
    expect(next('0 9 13 * 1', 'UTC', '2026-11-10T00:00:00Z')).toBe('2026-11-13T09:00:00.000Z');
    expect(next('0 9 13 * 1', 'UTC', '2026-11-13T12:00:00Z')).toBe('2026-11-16T09:00:00.000Z');
  });

  it('is after the given moment, never that moment itself', () => {
    expect(next('* * * * *', 'UTC', '2026-11-10T00:00:00Z')).toBe('2026-11-10T00:01:00.000Z');
  });
});

describe('what is no schedule', () => {
  it.each([
    ['0 9 * *', 'needs 5 fields'],
    ['0 0 9 * * *', 'needs 5 fields'],
    ['@daily', 'needs 5 fields'],
    ['2026-01-01T00:00:00', 'needs 5 fields'],
    ['61 * * * *', '61'],
    ['*/0 * * * *', 'stepping'],
    ['0 0 30 2 *', 'names no time that ever comes'],
  ])('%s is refused with the reason', (expression, reason) => {
    expect(() => requireNextRun(expression, 'UTC', new Date())).toThrow(reason);
    expect(findNextRun(expression, 'UTC', new Date())).toBeNull();
    expect(findIntervalSeconds(expression, 'UTC', new Date())).toBeNull();
  });

  it.each(['Mars/Olympus', '', 'Berlin'])('time zone %j is refused in the words of the contract', (timezone) => {
    expect(() => requireNextRun('0 9 * * *', timezone, new Date())).toThrow(`invalid timezone: ${timezone}`);
  });
});

it('the interval is the time between the next two runs', () => {
  expect(findIntervalSeconds('*/5 * * * *', 'UTC', new Date())).toBe(300);
  expect(findIntervalSeconds('0 9 * * 1-5', 'UTC', new Date('2026-11-13T00:00:00Z'))).toBe(3 * 86_400);
});
