import { describe, expect, it } from 'vitest';
import { newId } from './clipboard.ts';
import { formatAge, formatDuration, formatOrdinal, readAmount, toSentence } from './format.ts';
import { tokenize } from './json.tsx';

describe('words and numbers', () => {
  it('durations, ages and places read as people say them', () => {
    expect([400, 48_000, 65_000, 7_800_000].map(formatDuration)).toEqual(['0.4 s', '48 s', '1 m 05 s', '2 h 10 m']);
    expect([10_000, 240_000, 10_800_000, 432_000_000].map(formatAge)).toEqual(['now', '4 m', '3 h', '5 d']);
    expect([1, 2, 3, 4, 11, 22].map(formatOrdinal)).toEqual(['1st', '2nd', '3rd', '4th', '11th', '22nd']);
    expect(toSentence('the database is starting...')).toBe('The database is starting.');
  });

  it('an amount is cents, nothing is no limit, and anything else is refused', () => {
    expect(readAmount(' 12.34 ')).toBe(1234);
    expect(readAmount('12,5')).toBe(1250);
    expect(readAmount('0')).toBe(0);
    expect(readAmount('')).toBeNull();
    for (const bad of ['-1', 'ten', '1e999']) expect(readAmount(bad)).toBeUndefined();
  });

  it('an id is a version 4 UUID with and without a secure context', () => {
    const pattern = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
    expect(newId()).toMatch(pattern);
    const own = Object.getOwnPropertyDescriptor(Crypto.prototype, 'randomUUID');
    Object.defineProperty(Crypto.prototype, 'randomUUID', { value: undefined, configurable: true });
    expect(newId()).toMatch(pattern);
    if (own) Object.defineProperty(Crypto.prototype, 'randomUUID', own);
  });

  it('JSON is coloured by kind and loses no character', () => {
    const text = JSON.stringify({ a: 'x "y" : 1', b: [1, -2.5e3, true, null] }, null, 2);
    const tokens = tokenize(text);
    expect(tokens.map((token) => token.text).join('')).toBe(text);
    expect(tokens.filter((token) => token.kind === 'key').map((token) => token.text)).toEqual(['"a"', '"b"']);
    expect(tokens.filter((token) => token.kind === 'number').map((token) => token.text)).toEqual(['1', '-2500']);
    expect(tokens.filter((token) => token.kind === 'word').map((token) => token.text)).toEqual(['true', 'null']);
  });
});
