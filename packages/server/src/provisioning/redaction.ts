// Secret values are kept out of what people read: reasons on cards, events, log lines shown on the canvas.

/** Shorter values would blank out ordinary words. */
const LEAST_LENGTH = 6;
/** Stored beside the secrets, but a choice people must be able to read. */
const PLAIN_KEYS = new Set(['MODEL_PROVIDER']);

export function redactValues(text: string, values: readonly string[]): string {
  // The longest first: one value may be part of another.
  const known = values.filter((value) => value.length >= LEAST_LENGTH).sort((a, b) => b.length - a.length);
  return known.reduce((clean, value) => clean.replaceAll(value, '[redacted]'), text);
}

export function listValues(secrets: Readonly<Record<string, string>>): string[] {
  return Object.entries(secrets)
    .filter(([key]) => !PLAIN_KEYS.has(key))
    .map(([, value]) => value);
}
