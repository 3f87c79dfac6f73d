import { describe, expect, it } from 'vitest';
import { addressOf, previewKindOf } from './addresses.ts';
import { freeName, pickFiles } from './limits.ts';
import { shareOut } from './upload.ts';

const MB = 1024 * 1024;

describe('what may be attached', () => {
  it('each file up to 25 MB and 50 MB together; the same file twice is one', () => {
    const held = [{ name: 'a.bin', size: 20 * MB }];
    const { taken, refused } = pickFiles(held, [
      { name: 'a.bin', size: 20 * MB },
      { name: 'b.bin', size: 26 * MB },
      { name: 'c.bin', size: 25 * MB },
      { name: 'd.bin', size: 5 * MB },
      { name: 'e.bin', size: 4 * MB },
      { name: 'e.bin', size: 4 * MB },
      { name: 'f.bin', size: 0 },
    ]);
    expect(taken.map((file) => file.name)).toEqual(['c.bin', 'e.bin']);
    expect(refused).toEqual([
      'b.bin is 26 MB. At most 25 MB fit into one file.',
      'd.bin does not fit: at most 50 MB go with one message.',
      'f.bin is empty.',
    ]);
  });

  it('pasted images get names of their own', () => {
    expect(freeName('image.png', [])).toBe('image.png');
    expect(freeName('image.png', ['image.png', 'image-2.png'])).toBe('image-3.png');
    expect(freeName('.env', ['.env'])).toBe('.env-2');
  });
});

describe('progress', () => {
  it('files go out one after the other', () => {
    expect(shareOut(0, [10, 20])).toEqual([0, 0]);
    expect(shareOut(15, [10, 20])).toEqual([10, 5]);
    // The form around them is sent, too.
    expect(shareOut(99, [10, 20])).toEqual([10, 20]);
  });
});

describe('where a file is', () => {
  it.each([
    ['workspace:/workspace/a b.md', '/workspaces/w/chat/download?path=%2Fworkspace%2Fa+b.md'],
    ['file:///home/x.png', '/workspaces/w/chat/download?path=%2Fhome%2Fx.png'],
    ['/configs/y.txt', '/workspaces/w/chat/download?path=%2Fconfigs%2Fy.txt'],
    ['platform-pending:w2/f1', '/workspaces/w2/pending-uploads/f1/content'],
  ])('%s is fetched through the platform', (uri, path) => {
    expect(addressOf('w', uri)).toEqual({ is: 'ours', path });
  });

  it('the web opens a tab, everything else is inert', () => {
    expect(addressOf('w', 'https://example.org/a')).toEqual({ is: 'web', url: 'https://example.org/a' });
    for (const uri of ['javascript:alert(1)', 'data:text/html,x', '/etc/passwd', 'file:///etc/passwd', 'blob:x'])
      expect(addressOf('w', uri)).toEqual({ is: 'inert' });
  });
});

describe('how a file is shown', () => {
  it.each([
    [{ name: 'a.png' }, 'image'],
    [{ name: 'x', mimeType: 'image/webp' }, 'image'],
    [{ name: 'notes.md' }, 'text'],
    [{ name: 'x', mimeType: 'application/json' }, 'text'],
    [{ name: 'a.png', size: 11 * MB }, null],
    [{ name: 'a.svg' }, null],
    [{ name: 'a.png', mimeType: 'image/svg+xml' }, null],
    [{ name: 'a.html', mimeType: 'text/plain' }, null],
    [{ name: 'a.zip' }, null],
  ] as const)('%j as %s', (file, kind) => {
    expect(previewKindOf(file)).toBe(kind);
  });
});
