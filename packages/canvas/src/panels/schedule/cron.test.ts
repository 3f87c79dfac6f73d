import { describe, expect, it } from 'vitest';
import { describeCron, formatInZone, listNextRuns, listTimezones, PRESETS } from './cron.ts';

describe('a schedule as a sentence', () => {
  it.each([
    ['* * * * *', 'Every minute, UTC'],
    ['*/15 * * * *', 'Every 15 minutes, UTC'],
    ['0 * * * *', 'Every hour, UTC'],
    ['30 * * * *', 'Every hour at 30 minutes past, UTC'],
    ['0 */6 * * *', 'Every day at 00:00, 06:00, 12:00 and 18:00 UTC'],
    ['0 */2 * * *', 'Every 2 hours, UTC'],
    ['5 */2 * * *', 'Every 2 hours at 5 minutes past, UTC'],
    ['0 9 * * *', 'Every day at 09:00 UTC'],
    ['0 9,17 * * MON-FRI', 'Every weekday at 09:00 and 17:00 UTC'],
    ['0 9-17 * * 1-5', 'Every hour from 09:00 to 17:00 on weekdays, UTC'],
    ['*/30 9-17 * * *', 'Every 30 minutes from 09:00 to 17:30, UTC'],
    ['0 8 * * 7,4', 'On Thursdays and Sundays at 08:00 UTC'],
    ['0 8 * * 0-7', 'Every day at 08:00 UTC'],
    ['0 8 1,2,3,11,22 * *', 'On the 1st, 2nd, 3rd, 11th and 22nd at 08:00 UTC'],
    ['0 9 13 * 1', 'On the 13th and on Mondays at 09:00 UTC'],
    ['0 9 1 jan,7 *', 'On the 1st in January and July at 09:00 UTC'],
    ['5,7 1,4,9 * * *', 'Every day at 5 and 7 minutes past 01:00, 04:00 and 09:00 UTC'],
  ])('%s: %s', (expression, sentence) => {
    expect(describeCron(expression, 'UTC')).toBe(sentence);
  });

  it('names its time zone', () => {
    expect(describeCron('0 9 * * 1-5', 'Europe/Berlin')).toBe('Every weekday at 09:00, Europe/Berlin time');
  });

  it.each(['0 9 L * *', '0 9 * * 5#2', '61 * * * *', '5-1 * * * *', '*/0 * * * *', 'never', ''])(
    'leaves what it cannot read as it was written: %j',
    (expression) => {
      expect(describeCron(expression, 'UTC')).toBe(`At ${expression} UTC`);
    },
  );
});

describe('the next runs', () => {
  const after = new Date('2026-07-10T12:00:00Z');

  it('are wall clock times of the zone', () => {
    expect(listNextRuns('0 9 * * 1-5', 'Europe/Berlin', 3, after).map((at) => at.toISOString())).toEqual([
      '2026-07-13T07:00:00.000Z',
      '2026-07-14T07:00:00.000Z',
      '2026-07-15T07:00:00.000Z',
    ]);
    expect(formatInZone('2026-07-13T07:00:00.000Z', 'Europe/Berlin')).toContain('09:00');
  });

  it('are none for what is no schedule', () => {
    for (const expression of ['', '@daily', '61 * * * *', '0 0 30 2 *', '0 0 9 * * *'])
      expect(listNextRuns(expression, 'UTC', 5, after)).toEqual([]);
    expect(listNextRuns('0 9 * * *', 'Mars/Olympus', 5, after)).toEqual([]);
  });

  it('come for every preset', () => {
    for (const { cron } of PRESETS) expect(listNextRuns(cron, 'UTC', 5, after)).toHaveLength(5);
  });

  it('may be in any zone there is, once each', () => {
    const zones = listTimezones();
    expect(zones[0]).toBe('UTC');
    expect(new Set(zones).size).toBe(zones.length);
    expect(zones).toContain('Europe/Berlin');
  });
});
