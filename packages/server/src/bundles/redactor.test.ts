import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { createRedactor } from './redactor.ts';

const { text, yaml, value, label } = createRedactor(['planted-value', '-----KEY\nabcdef\n-----END', '87654321']);

describe('the redactor', () => {
  it.each([
    ['OPENAI_API_KEY = abc def', '[REDACTED:API_KEY] def'],
    ['my_x_token=abc', '[REDACTED:TOKEN]'],
    ['A_SECRET=abc', '[REDACTED:SECRET]'],
    ['Authorization: Bearer a.b-c d', 'Authorization: [REDACTED:BEARER_TOKEN] d'],
    ['bearer of news', 'bearer of news'],
    ['sk-0123456789abcdef', '[REDACTED:SK_TOKEN]'],
    ['sk-short', 'sk-short'],
    ['ctx7_x1', '[REDACTED:CTX7_TOKEN]'],
    ['aB3aB3aB3aB3aB3aB3aB3aB3aB3aB3aB3aB3==', '[REDACTED:BASE64_BLOB]'],
    ['templates/workspaces/something/elsewhere/entirely', 'templates/workspaces/something/elsewhere/entirely'],
    ['Token q1_-ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklm.', 'Token [REDACTED:TOKEN].'],
    ['a-name-of-a-file-that-is-forty-three-letters', 'a-name-of-a-file-that-is-forty-three-letters'],
    ['the planted-value of it', 'the [redacted] of it'],
  ])('%j → %j, and twice is the same as once', (given, clean) => {
    expect(text(given)).toBe(clean);
    expect(text(clean)).toBe(clean);
  });

  it('leaves YAML what it is: quotes, numbers and what spans lines; untouched text keeps its comments', () => {
    const given =
      'a: "X_TOKEN=abc"\nb: 87654321\nkey: |\n  -----KEY\n  abcdef\n  -----END\nlist: [planted-value, fine]\n';
    expect(parse(yaml(given))).toEqual({
      a: '[REDACTED:TOKEN]',
      b: '[redacted]',
      key: '[redacted]\n',
      list: ['[redacted]', 'fine'],
    });
    const untouched = '# why\nname:   "spaced"\nport: 8000\n';
    expect(yaml(untouched)).toBe(untouched);
    expect(yaml('# planted-value\na: 1\n')).not.toContain('planted-value');
    expect(yaml('{ planted-value')).toBe('{ [redacted]');
  });

  it('goes through what is nested, and keeps brackets out of one-line fields', () => {
    expect(value({ a: ['planted-value', 5, null, true], 'planted-value': 'b' })).toEqual({
      a: ['[redacted]', 5, null, true],
      '[redacted]': 'b',
    });
    expect(label('head of planted-value')).toBe('head of redacted');
  });

  it('takes its time in proportion to the text, whatever it is made of', () => {
    const started = performance.now();
    for (const part of ['a', 'a_', 'A1', 'aB-', '_API_KEY ', 'a/', 'aB/']) text(part.repeat(400_000));
    expect(performance.now() - started).toBeLessThan(10_000);
  });
});
