import { describe, expect, it } from 'vitest';
import { formatCompact, formatDollars } from './format.ts';

describe('figures of usage', () => {
  it('counts are compact from a thousand on', () => {
    expect([0, 980, 12_345, 4_000_000].map(formatCompact)).toEqual(['0', '980', '12.3 k', '4 M']);
  });

  it('small costs keep their digits, larger ones are cents', () => {
    expect([0, 0.0412, 1.256].map(formatDollars)).toEqual(['$0.00', '$0.0412', '$1.26']);
  });
});
