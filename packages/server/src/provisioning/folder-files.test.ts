// Files below one folder, on a real file system full of links that mean no good.

import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FilePathError, FileTooLargeError } from './file-store.ts';
import { listFolder, readFromFolder, removeFromFolder, writeIntoFolder } from './folder-files.ts';

let base: string;
let root: string;
let outside: string;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'molecule-folder-'));
  root = join(base, 'root');
  outside = join(base, 'root-of-another');
  for (const folder of [root, outside]) mkdirSync(folder);
  writeFileSync(join(outside, 'secret.txt'), 'secret');
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

const text = async (path: string, limit = 1_000) => {
  const bytes = await readFromFolder(root, path, limit);
  return bytes === null ? null : Buffer.from(bytes).toString();
};
const snapshot = () => readdirSync(outside).map((name) => [name, readFileSync(join(outside, name), 'utf8')]);

describe('links', () => {
  /** A link in every place of a path, out of the root by every way there is. */
  const WAYS: [string, (place: string) => void, string][] = [
    ['a link to a file outside', (place) => symlinkSync(join(outside, 'secret.txt'), place), ''],
    ['a relative link outside', (place) => symlinkSync('../root-of-another/secret.txt', place), ''],
    ['a folder outside', (place) => symlinkSync(outside, place), '/secret.txt'],
    [
      'a link to a link outside',
      (place) => {
        symlinkSync(outside, join(root, 'second'));
        symlinkSync(join(root, 'second'), place);
      },
      '/secret.txt',
    ],
    ['the folder above', (place) => symlinkSync('..', place), '/root-of-another/secret.txt'],
    ['the root of the machine', (place) => symlinkSync('/', place), '/etc/hostname'],
    ['the files that this very process holds open', (place) => symlinkSync('/proc/self', place), '/environ'],
  ];

  it.each(WAYS)('%s: nothing is read, listed, written or deleted through it', async (_what, make, rest) => {
    make(join(root, 'link'));
    const before = snapshot();
    expect(await text(`link${rest}`, 10_000_000)).toBeNull();
    expect((await listFolder(root, '', 5)).map((entry) => entry.path)).not.toContain('link');
    expect(await listFolder(root, 'link', 5)).toEqual([]);
    if (rest !== '') {
      expect(await removeFromFolder(root, `link${rest}`)).toBe(false);
      await expect(writeIntoFolder(root, { [`link${rest}`]: 'x' })).rejects.toBeInstanceOf(FilePathError);
      await expect(writeIntoFolder(root, { 'link/new/deep.txt': 'x' })).rejects.toBeInstanceOf(FilePathError);
    }
    expect(snapshot()).toEqual(before);
  });

  it('a write onto a link replaces the link, not what it points to; a delete deletes it', async () => {
    for (const name of ['a', 'b']) symlinkSync(join(outside, 'secret.txt'), join(root, name));
    await writeIntoFolder(root, { a: 'mine' });
    expect(await text('a')).toBe('mine');
    expect(await removeFromFolder(root, 'b')).toBe(true);
    expect(existsSync(join(root, 'b'))).toBe(false);
    expect(snapshot()).toEqual([['secret.txt', 'secret']]);
  });

  it('a link that stays inside is read like what it points to, and a circle ends', async () => {
    writeFileSync(join(root, 'AGENTS.md'), 'rules');
    mkdirSync(join(root, 'real'));
    symlinkSync('AGENTS.md', join(root, 'CLAUDE.md'));
    symlinkSync('..', join(root, 'real/round'));
    expect(await text('CLAUDE.md')).toBe('rules');
    const entries = await listFolder(root, '', 5);
    expect(entries).toContainEqual({ path: 'CLAUDE.md', size: 5, dir: false });
    expect(entries).toContainEqual({ path: 'real/round', size: 0, dir: true });
    expect(entries).toHaveLength(4);
    await writeIntoFolder(root, { 'real/round/real/new.md': 'x' });
    expect(await text('real/new.md')).toBe('x');
  });

  it.runIf(process.platform === 'linux')('a root that is itself a link is what it points to', async () => {
    symlinkSync(root, join(base, 'alias'));
    await writeIntoFolder(join(base, 'alias'), { 'x/y.md': 'there' });
    expect(await text('x/y.md')).toBe('there');
    expect(await listFolder(join(base, 'alias'), 'x', 1)).toEqual([{ path: 'x/y.md', size: 5, dir: false }]);
  });
});

describe('reading and listing', () => {
  it('neither a pipe nor a device holds the call', async () => {
    execFileSync('mkfifo', [join(root, 'pipe')]);
    expect(await text('pipe')).toBeNull();
    expect(await listFolder(root, '', 1)).toEqual([]);
  });

  it('leaves out what nobody wants to see, and goes as deep as asked', async () => {
    for (const name of ['.git', '__pycache__', 'node_modules', 'src/node_modules', 'src/a/b'])
      mkdirSync(join(root, name), { recursive: true });
    for (const path of ['.git/config', 'node_modules/x.js', '.DS_Store', 'src/a/b/c.ts', '.env'])
      writeFileSync(join(root, path), 'x');
    const paths = async (path: string, depth: number) =>
      (await listFolder(root, path, depth)).map((entry) => entry.path);
    expect(await paths('', 1)).toEqual(['.env', 'src']);
    expect(await paths('', 3)).toEqual(['.env', 'src', 'src/a', 'src/a/b']);
    expect(await paths('src/a', 2)).toEqual(['src/a/b', 'src/a/b/c.ts']);
    expect(await paths('src/a/b/c.ts', 1)).toEqual([]);
    expect(await paths('nowhere', 1)).toEqual([]);
  });

  it('a file over the limit is refused by its size, one of exactly the limit is not', async () => {
    writeFileSync(join(root, 'a'), 'x'.repeat(100));
    expect(await text('a', 100)).toHaveLength(100);
    await expect(text('a', 99)).rejects.toBeInstanceOf(FileTooLargeError);
  });
});

describe('writing', () => {
  it('creates folders, keeps the file private, and leaves nothing else behind', async () => {
    await writeIntoFolder(join(root, 'not/there/yet'), { 'a/b.md': 'ä\n' });
    const file = join(root, 'not/there/yet/a/b.md');
    expect(readFileSync(file, 'utf8')).toBe('ä\n');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readdirSync(join(root, 'not/there/yet/a'))).toEqual(['b.md']);
  });

  it('a reader never sees half a file', async () => {
    const sizes = new Set<number>();
    const long = 'x'.repeat(2_000_000);
    await writeIntoFolder(root, { a: 'short' });
    let done = false;
    const writing = (async () => {
      for (let round = 0; round < 10; round += 1) await writeIntoFolder(root, { a: round % 2 ? 'short' : long });
      done = true;
    })();
    while (!done) sizes.add((await readFromFolder(root, 'a', 3_000_000))?.byteLength ?? -1);
    await writing;
    expect([...sizes].filter((size) => size !== 5 && size !== long.length)).toEqual([]);
    expect(readdirSync(root)).toEqual(['a']);
  });

  it('a folder in the way, or a file where a folder should be, is refused before anything is written', async () => {
    mkdirSync(join(root, 'folder'));
    writeFileSync(join(root, 'file'), 'x');
    for (const path of ['folder', 'file/below.md']) {
      await expect(writeIntoFolder(root, { 'first.md': 'x', [path]: 'x' })).rejects.toBeInstanceOf(FilePathError);
      expect(existsSync(join(root, 'first.md'))).toBe(false);
    }
    expect(await removeFromFolder(root, 'folder')).toBe(false);
  });
});
