import { describe, expect, it } from 'vitest';
import { MOST_BYTES, planUpload, splitUpload } from './upload-plan.ts';

const chosen = (path: string, bytes: string | Uint8Array<ArrayBuffer>) => ({ path, file: new File([bytes], path) });

describe('what goes up', () => {
  it('is text, below the folder it was dropped on', async () => {
    const plan = await planUpload('skills', [chosen('a.md', 'one'), chosen('deep/b.md', 'zwei äöü')]);
    expect(plan).toEqual({ files: { 'skills/a.md': 'one', 'skills/deep/b.md': 'zwei äöü' }, skipped: [] });
  });

  it('keeps the bytes of a text that begins with a mark', async () => {
    const { files } = await planUpload('', [chosen('bom.md', '\uFEFFtext')]);
    expect(files).toEqual({ 'bom.md': '\uFEFFtext' });
  });

  it.each([
    ['big.md', 'a'.repeat(MOST_BYTES + 1), 'larger than 1 MB'],
    ['logo.png', new Uint8Array([0x89, 0x50, 0xff]), 'no text'],
    ['nul.txt', 'a\0b', 'no text'],
    ['team/.git/config', 'x', 'not kept here'],
    ['.auth_token', 'x', 'not kept here'],
    ['a\\b', 'x', 'its name cannot be kept'],
  ])('is not %s', async (path, content, reason) => {
    expect(await planUpload('', [chosen(path, content)])).toEqual({ files: {}, skipped: [{ path, reason }] });
  });

  it('may be as large as the most', async () => {
    expect((await planUpload('', [chosen('big.md', 'a'.repeat(MOST_BYTES))])).skipped).toEqual([]);
  });
});

describe('the parts of an upload', () => {
  it('hold at most a hundred files', () => {
    const files = Object.fromEntries(Array.from({ length: 250 }, (_, index) => [`${index}.md`, 'x']));
    const parts = splitUpload(files);
    expect(parts.map((part) => Object.keys(part).length)).toEqual([100, 100, 50]);
    expect(Object.assign({}, ...parts)).toEqual(files);
  });

  it('hold at most three megabytes', () => {
    const text = 'x'.repeat(MOST_BYTES);
    const parts = splitUpload({ a: text, b: text, c: text, d: text });
    expect(parts.map((part) => Object.keys(part))).toEqual([['a', 'b', 'c'], ['d']]);
  });

  it('are none for nothing', () => {
    expect(splitUpload({})).toEqual([]);
  });
});
