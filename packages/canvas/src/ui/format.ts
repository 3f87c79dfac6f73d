// Numbers, money and time as people read them. Pure; the locale is the browser's.

const LOCALE = typeof navigator === 'undefined' ? 'en' : navigator.language;
const MONEY = new Intl.NumberFormat(LOCALE, { style: 'currency', currency: 'USD', currencyDisplay: 'narrowSymbol' });
const SMALL_MONEY = new Intl.NumberFormat(LOCALE, {
  style: 'currency',
  currency: 'USD',
  currencyDisplay: 'narrowSymbol',
  maximumFractionDigits: 4,
});
const COMPACT = new Intl.NumberFormat(LOCALE, { notation: 'compact', maximumFractionDigits: 1 });
const SHORT_TIME = new Intl.DateTimeFormat(LOCALE, { timeStyle: 'short' });
const EXACT_TIME = new Intl.DateTimeFormat(LOCALE, { timeStyle: 'medium' });
const FULL_TIME = new Intl.DateTimeFormat(LOCALE, { dateStyle: 'medium', timeStyle: 'medium' });
const ORDINALS = new Intl.PluralRules('en', { type: 'ordinal' });

export function formatCents(cents: number): string {
  return MONEY.format(cents / 100);
}

/** An estimate in dollars: cents, and below ten cents as far as four digits. */
export function formatDollars(dollars: number): string {
  return (dollars < 0.1 ? SMALL_MONEY : MONEY).format(dollars);
}

/** `980`, `12.3 k`, `4 M`: counts too long to be read. */
export function formatCompact(count: number): string {
  return COMPACT.formatToParts(count)
    .map(({ type, value }) => (type === 'compact' ? ` ${value === 'K' ? 'k' : value}` : value))
    .join('');
}

/** Cents of a typed amount; null for none, `undefined` for what is no amount. */
export function readAmount(text: string): number | null | undefined {
  const trimmed = text.trim();
  if (trimmed === '') return null;
  const cents = Math.round(Number(trimmed.replace(',', '.')) * 100);
  return Number.isFinite(cents) && cents >= 0 ? cents : undefined;
}

/** `0.4 s`, `48 s`, `1 m 05 s`, `2 h 10 m` */
export function formatDuration(ms: number): string {
  const seconds = Math.max(0, ms / 1000);
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${String(whole % 60).padStart(2, '0')} s`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')} m`;
}

/** `0:42`, `12:05`: a clock that runs. */
export function formatClock(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

/** `now`, `4 m`, `3 h`, `5 d` */
export function formatAge(ms: number): string {
  const minutes = Math.floor(Math.max(0, ms) / 60_000);
  if (minutes < 1) return 'now';
  if (minutes < 60) return `${minutes} m`;
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h`;
  return `${Math.floor(minutes / 1440)} d`;
}

export function formatTime(at: string | number): string {
  return SHORT_TIME.format(new Date(at));
}

/** With seconds, for logs. */
export function formatTimeExact(at: string | number): string {
  return EXACT_TIME.format(new Date(at));
}

export function formatFull(at: string | number): string {
  return FULL_TIME.format(new Date(at));
}

export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 * 1024) return `${Math.round(bytes / 1024)} KB`;
  return `${(bytes / 1024 / 1024).toFixed(1)} MB`;
}

const ORDINAL_ENDINGS: Record<string, string> = { one: 'st', two: 'nd', few: 'rd', other: 'th' };

/** `1st`, `2nd`, `3rd`, `11th`: English, as the rest of the interface. */
export function formatOrdinal(count: number): string {
  return `${count}${ORDINAL_ENDINGS[ORDINALS.select(count)]}`;
}

/** `1 workspace`, `3 workspaces` */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** A server's words as a sentence of ours: capital first letter, one full stop. */
export function toSentence(text: string): string {
  const trimmed = text.trim().replace(/\.+$/, '');
  return trimmed === '' ? '' : `${trimmed[0]?.toUpperCase()}${trimmed.slice(1)}.`;
}
