import { describe, expect, it } from 'vitest';
import { toMrkdwn } from './mrkdwn.ts';
import { splitText } from './split.ts';

describe('Markdown becomes mrkdwn', () => {
  it.each([
    ['**bold** and *slanted* and ~~gone~~', '*bold* and _slanted_ and ~gone~'],
    ['# A **bold** heading', '*A bold heading*'],
    ['[docs](https://x.example/a?b=1) & <tags>', '<https://x.example/a?b=1|docs> &amp; &lt;tags&gt;'],
    ['- one\n* two\n  - three', '• one\n• two\n  • three'],
    ['`**kept**` and ```ts\nconst a = b < c;\n```', '`**kept**` and ```\nconst a = b &lt; c;\n```'],
    ['2 * 3 * 4 and snake_case_name', '2 * 3 * 4 and snake_case_name'],
    ['| a | long |\n|---|---|\n| **1** | 2 |\nafter', '```\na      long\n**1**  2\n```\nafter'],
  ])('%j', (markdown, expected) => expect(toMrkdwn(markdown)).toBe(expected));
});

describe('a long text is cut', () => {
  it('at the best place that is not too early, and loses nothing but the space there', () => {
    const [first, second] = ['a'.repeat(60), 'b'.repeat(60)];
    expect(splitText(`${first}\n\n${second}`, 100, ['\n\n', '\n', ' '])).toEqual([first, second]);
    expect(splitText(`${first} ${second}`, 100, ['\n\n', '\n', ' '])).toEqual([first, second]);
    expect(splitText(`x\n${'a'.repeat(150)}`, 100, ['\n'])).toEqual([`x\n${'a'.repeat(98)}`, 'a'.repeat(52)]);
    expect(splitText('short', 100, ['\n'])).toEqual(['short']);
    expect(splitText('  \n ', 100, ['\n'])).toEqual([]);
  });

  it('never inside of a character', () => {
    expect(splitText(`a${'😀'.repeat(4)}`, 4, [' '])).toEqual(['a😀', '😀😀', '😀']);
    expect(splitText('😀'.repeat(4), 4, [' '])).toEqual(['😀😀', '😀😀']);
  });
});
