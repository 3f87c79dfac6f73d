// What looks like a credential in text of any origin (chapter 30 §1.9). Pure; known values are taken out by who knows them.

/** From where a word begins: tried from every letter, a long one would take for ever. */
const named = (ending: string) => new RegExp(`\\b\\w*${ending} *= *\\S+`, 'gi');

/** In the order of the chapter. */
const PATTERNS: readonly (readonly [label: string, pattern: RegExp])[] = [
  ['API_KEY', named('_API_KEY')],
  ['TOKEN', named('_TOKEN')],
  ['SECRET', named('_SECRET')],
  ['BEARER_TOKEN', /Bearer\s+\S+/g],
  ['SK_TOKEN', /sk-[A-Za-z0-9_-]{16,}/g],
  ['CTX7_TOKEN', /ctx7_[A-Za-z0-9]+/g],
  // Paths are made of the same characters: only a run that mixes cases and digits is a blob.
  [
    'BASE64_BLOB',
    /(?<![A-Za-z0-9+/])(?=[A-Z0-9+/]*[a-z])(?=[a-z0-9+/]*[A-Z])(?=[A-Za-z+/]*\d)[A-Za-z0-9+/]{33,}={0,2}/g,
  ],
];

/** Twice is the same as once: what stands in place of a credential looks like none. */
export function redactPatterns(text: string): string {
  return PATTERNS.reduce((clean, [label, pattern]) => clean.replace(pattern, `[REDACTED:${label}]`), text);
}
