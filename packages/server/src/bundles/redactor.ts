// Takes credentials out of what leaves in a bundle: values the platform knows, and what looks like one (chapter 30 §1.9, §4).

import { isDeepStrictEqual } from 'node:util';
import { parse, stringify } from 'yaml';
import { redactPatterns } from '../platform/secret-patterns.ts';
import { redactValues } from '../provisioning/index.ts';

export interface Redactor {
  text(text: string): string;
  /** Of one line whose characters are limited: no brackets. */
  label(text: string): string;
  /** Every text inside, whatever the shape. */
  value<T>(value: T): T;
  /** YAML stays YAML: a value is replaced, never the quote behind it. Comments are lost where something was. */
  yaml(text: string): string;
}

function mapTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value);
  if (Array.isArray(value)) return value.map((item) => mapTexts(item, change));
  if (value === null || value === undefined) return value;
  if (typeof value !== 'object') {
    // A secret of digits alone is a number to YAML.
    const said = String(value);
    const clean = change(said);
    return clean === said ? value : clean;
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [change(key), mapTexts(item, change)]));
}

/** Tokens of a platform: 32 random bytes as base64url. It stores their digests, so that it cannot look for the values. */
const PLATFORM_TOKEN = /(?<![\w-])(?=[\w-]*[a-z])(?=[\w-]*[A-Z])[\w-]{43}(?![\w-])/g;

export function createRedactor(secretValues: readonly string[]): Redactor {
  const text = (given: string) =>
    redactPatterns(redactValues(given, secretValues)).replace(PLATFORM_TOKEN, '[REDACTED:TOKEN]');
  const value = <T>(given: T) => mapTexts(given, text) as T;
  return {
    text,
    label: (given) => text(given).replace(/[[\]]/g, ''),
    value,
    yaml(given) {
      const clean = text(given);
      try {
        const parsed: unknown = parse(given);
        const redacted = value(parsed);
        // What spans lines is indented in the file, so that only its parsed value shows it.
        return clean === given && isDeepStrictEqual(parsed, redacted) ? given : stringify(redacted, { lineWidth: 0 });
      } catch {
        // Whoever imports it is told that it cannot be read.
        return clean;
      }
    },
  };
}
