// Gives memory back: when the judge says so, and that V8 then really does, in a process of its own.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { createTrimJudge } from './memory.ts';

const MEGABYTE = 1024 * 1024;
const HEAP = 50 * MEGABYTE;

describe('when memory is given back', () => {
  it('once after the start, in the first quiet pass', () => {
    const judge = createTrimJudge();
    expect(judge.note(0, 0.6, HEAP)).toBe(false);
    expect(judge.note(5_000, 0.01, HEAP)).toBe(true);
    expect(judge.note(60_000, 0.01, HEAP)).toBe(false);
  });

  it('again when further work has been over for half a minute, and not in a shorter pause', () => {
    const judge = createTrimJudge();
    expect(judge.note(0, 0, HEAP)).toBe(true);
    expect(judge.note(50_000, 0.9, HEAP)).toBe(false);
    for (let at = 55_000; at < 85_000; at += 5_000) expect(judge.note(at, 0.01, HEAP)).toBe(false);
    expect(judge.note(85_000, 0.9, HEAP)).toBe(false);
    for (let at = 90_000; at < 120_000; at += 5_000) expect(judge.note(at, 0.01, HEAP)).toBe(false);
    expect(judge.note(120_000, 0.01, HEAP)).toBe(true);
    expect(judge.note(180_000, 0.01, HEAP)).toBe(false);
  });

  it('never while there is work, nor for a steady trickle', () => {
    const judge = createTrimJudge();
    judge.note(0, 0, HEAP);
    for (let at = 30_000; at < 300_000; at += 5_000) expect(judge.note(at, 0.15, HEAP)).toBe(false);
    for (let at = 300_000; at < 600_000; at += 5_000) expect(judge.note(at, 0.5, HEAP)).toBe(false);
    expect(judge.note(600_000, 0.22, HEAP)).toBe(false);
    expect(judge.note(605_000, 0.05, HEAP)).toBe(false);
    expect(judge.note(635_000, 0.05, HEAP)).toBe(true);
  });

  it('not before V8 has made a heap smaller that is too large to collect at once', () => {
    const judge = createTrimJudge();
    expect(judge.note(0, 0.01, 190 * MEGABYTE)).toBe(false);
    expect(judge.note(5_000, 0.01, 190 * MEGABYTE)).toBe(false);
    expect(judge.note(10_000, 0.01, HEAP)).toBe(true);
  });
});

const PROGRAM = `
  import { createMemoryLoop } from ${JSON.stringify(new URL('./memory.ts', import.meta.url).href)};
  let asked = 0;
  const loop = createMemoryLoop({ clock: { now: () => 0 }, trimStore: () => { asked += 1; } });
  let kept = Array.from({ length: 200_000 }, (_, at) => ({ at }));
  kept = kept.length;
  let counts;
  do {
    await new Promise((resolve) => setTimeout(resolve, 20));
    counts = await loop.run();
  } while (counts.released === 0);
  console.log(JSON.stringify({ counts, asked, again: await loop.run(), gc: typeof gc }));
`;

it('a pass after work returns what became garbage, in this thread and in that of the store', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    '--max-semi-space-size=16',
    '--input-type=module',
    '-e',
    PROGRAM,
  ]);
  const said = JSON.parse(stdout) as { counts: { released: number }; asked: number; again: unknown; gc: string };
  expect(said.counts.released).toBeGreaterThan(4_000_000);
  expect(said).toMatchObject({ asked: 1, again: { released: 0 }, gc: 'undefined' });
});
