// Times of a schedule as a person reads them: the next runs of five cron fields, and the fields as a sentence. Pure.
// Croner reads them as the platform does (chapter 20 §8); the platform's answer is what counts.

import { Cron } from 'croner';

const FIELDS = 5;

/** The next runs after a moment; none when the fields or the zone cannot be read, or name no time that comes. */
export function listNextRuns(expression: string, timezone: string, count: number, after: Date): Date[] {
  const text = expression.trim();
  if (text.split(/\s+/).length !== FIELDS) return [];
  try {
    return new Cron(text, { timezone, mode: '5-part', paused: true }).nextRuns(count, after);
  } catch {
    return [];
  }
}

const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const short = (names: readonly string[]) => names.map((name) => name.slice(0, 3).toUpperCase());

interface FieldKind {
  from: number;
  to: number;
  /** What a number may be called; the first is `from`. */
  names?: readonly string[];
}
/** 7 is Sunday as well. */
const KINDS: readonly FieldKind[] = [
  { from: 0, to: 59 },
  { from: 0, to: 23 },
  { from: 1, to: 31 },
  { from: 1, to: 12, names: short(MONTHS) },
  { from: 0, to: 7, names: short(DAYS) },
];

function readNumber(text: string, { from, to, names }: FieldKind): number | null {
  const named = names?.indexOf(text.toUpperCase()) ?? -1;
  if (named >= 0) return named + from;
  const value = Number(text);
  return /^\d+$/.test(text) && value >= from && value <= to ? value : null;
}

/** The numbers a field stands for, ascending; null for what only the platform can judge (`L`, `#`, `W`, `?`). */
function readField(text: string, kind: FieldKind): number[] | null {
  const values = new Set<number>();
  for (const part of text.split(',')) {
    const [range = '', stepText] = part.split('/');
    const step = stepText === undefined ? 1 : Number(stepText);
    const [first = '', last] = range.split('-');
    const from = range === '*' ? kind.from : readNumber(first, kind);
    const open = stepText === undefined ? from : kind.to;
    const to = range === '*' ? kind.to : last === undefined ? open : readNumber(last, kind);
    if (from === null || to === null || from > to || !Number.isInteger(step) || step < 1) return null;
    for (let value = from; value <= to; value += step) values.add(value);
  }
  return [...values].sort((a, b) => a - b);
}

const and = (words: readonly string[]): string =>
  words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;

const clock = (hour: number, minute: number) => `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`;

/** The distance between neighbours when it is the same everywhere; null otherwise. */
function stepOf(values: readonly number[]): number | null {
  const [first = 0, second] = values;
  if (second === undefined) return null;
  const step = second - first;
  return values.every((value, index) => value === first + index * step) ? step : null;
}

const MOST_TIMES = 4;

/** When within a day: `at` of it, or how often. */
function describeTimes(minutes: readonly number[], hours: readonly number[]): { at?: string; every?: string } {
  const [minute = 0] = minutes;
  const [hour = 0] = hours;
  const isWholeDay = hours.length === 24;
  const hourStep = stepOf(hours);
  const minuteStep = stepOf(minutes);
  if (minutes.length * hours.length <= MOST_TIMES)
    return { at: and(hours.flatMap((h) => minutes.map((m) => clock(h, m)))) };
  const isEven = minuteStep !== null && minute === 0 && minutes.length * minuteStep === 60;
  const pace = isEven ? (minuteStep === 1 ? 'Every minute' : `Every ${minuteStep} minutes`) : null;
  if (pace && isWholeDay) return { every: pace };
  if (pace && hourStep === 1)
    return { every: `${pace} from ${clock(hour, 0)} to ${clock(hours.at(-1) ?? 0, minutes.at(-1) ?? 0)}` };
  const past = `${and(minutes.map(String))} minutes past`;
  if (isWholeDay) return { every: minutes.length === 1 && minute === 0 ? 'Every hour' : `Every hour at ${past}` };
  if (minutes.length === 1 && hourStep === 1)
    return { every: `Every hour from ${clock(hour, minute)} to ${clock(hours.at(-1) ?? 0, minute)}` };
  if (minutes.length === 1 && hourStep !== null && hour === 0 && hours.length * hourStep === 24)
    return { every: minute === 0 ? `Every ${hourStep} hours` : `Every ${hourStep} hours at ${past}` };
  return { at: `${past} ${and(hours.map((h) => clock(h, 0)))}` };
}

const ENDINGS = ['th', 'st', 'nd', 'rd'];
const ordinal = (day: number) => `${day}${(day < 11 || day > 13) && day % 10 < 4 ? ENDINGS[day % 10] : 'th'}`;

function describeWeekdays(days: readonly number[]): string {
  const key = days.join();
  if (key === '1,2,3,4,5') return 'weekdays';
  if (key === '0,6') return 'Saturdays and Sundays';
  return and([...days].sort((a, b) => ((a + 6) % 7) - ((b + 6) % 7)).map((day) => `${DAYS[day]}s`));
}

/**
 * `Every weekday at 09:00, Europe/Berlin time`. Fields only the platform can judge stand as they were written.
 * A day of the month and a day of the week together mean either.
 */
export function describeCron(expression: string, timezone: string): string {
  const zone = timezone === 'UTC' ? ' UTC' : `, ${timezone} time`;
  const clocks = timezone === 'UTC' ? ', UTC' : zone;
  const texts = expression.trim().split(/\s+/);
  const fields = KINDS.map((kind, index) => readField(texts[index] ?? '', kind));
  const [minutes, hours, dates, months, weekdayNumbers] = fields;
  if (texts.length !== FIELDS || !minutes || !hours || !dates || !months || !weekdayNumbers)
    return `At ${expression.trim()}${zone}`;
  const weekdays = [...new Set(weekdayNumbers.map((day) => day % 7))].sort((a, b) => a - b);
  const onDates = dates.length < 31 ? `the ${and(dates.map(ordinal))}` : null;
  const onWeekdays = weekdays.length < 7 ? describeWeekdays(weekdays) : null;
  const days = onDates && onWeekdays ? `${onDates} and on ${onWeekdays}` : (onDates ?? onWeekdays);
  const within = months.length < 12 ? ` in ${and(months.map((month) => MONTHS[month - 1] ?? ''))}` : '';
  const { at, every } = describeTimes(minutes, hours);
  if (every) return `${every}${days ? ` on ${days}` : ''}${within}${clocks}`;
  const lead = days === null ? 'Every day' : days === 'weekdays' ? 'Every weekday' : `On ${days}`;
  return `${lead}${within} at ${at}${zone}`;
}

/** `Fri 27 Nov, 09:00` on the clocks of a zone; of this browser's where the zone is not known. */
export function formatInZone(at: Date | string, timezone: string): string {
  const how = { weekday: 'short', day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' } as const;
  const date = new Date(at);
  try {
    return date.toLocaleString(undefined, { ...how, hourCycle: 'h23', timeZone: timezone });
  } catch {
    return date.toLocaleString(undefined, { ...how, hourCycle: 'h23' });
  }
}

export const PRESETS: readonly { label: string; cron: string }[] = [
  { label: 'Every 15 minutes', cron: '*/15 * * * *' },
  { label: 'Every hour', cron: '0 * * * *' },
  { label: 'Every day at 09:00', cron: '0 9 * * *' },
  { label: 'Every weekday at 09:00', cron: '0 9 * * 1-5' },
  { label: 'Mondays at 09:00', cron: '0 9 * * 1' },
  { label: 'The 1st of the month at 09:00', cron: '0 9 1 * *' },
];

export const ownTimezone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Every zone this browser knows, UTC first. */
export const listTimezones = (): string[] => [...new Set(['UTC', ...Intl.supportedValuesOf('timeZone')])];
