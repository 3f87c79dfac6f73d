// Parts that run side by side: what is printed, in which order, and what a failure stops.

import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { type Part, runLanes } from './part-runs.ts';

function part(name: string, script: string, more: Partial<Part> = {}): Part {
  return { name, why: `about ${name}`, command: [process.execPath, '-e', script], ...more };
}

async function run(lanes: Part[][], onShown: (shown: string) => void = () => {}) {
  const decoder = new TextDecoder();
  let shown = '';
  const results = await runLanes(lanes, {
    cwd: tmpdir(),
    write: (chunk) => {
      shown += typeof chunk === 'string' ? chunk : decoder.decode(chunk);
      onShown(shown);
    },
  });
  return { shown, outcomes: results.map(({ name, code }) => [name, code]) };
}

/** Ends when a file appears that another part makes: nothing here waits for a time. */
const untilExists = (file: string) => `while (!require('node:fs').existsSync(${JSON.stringify(file)}));`;
const make = (file: string) => `require('node:fs').writeFileSync(${JSON.stringify(file)}, '');`;
const files: string[] = [];
afterEach(() => {
  for (const file of files.splice(0)) rmSync(file, { force: true });
});

function newFile(): string {
  const file = join(tmpdir(), `molecule-part-${crypto.randomUUID()}`);
  files.push(file);
  return file;
}

it('prints parts that run side by side one after the other, in the order they began', async () => {
  const [third, begun] = [newFile(), newFile()];
  const { shown, outcomes } = await run([
    [part('first', `console.log('one'); ${make(begun)} ${untilExists(third)} console.log('two')`)],
    [
      part('second', `${untilExists(begun)} console.error('three')`),
      part('third', `console.log('four'); ${make(third)}`),
    ],
  ]);
  expect(outcomes).toEqual([
    ['first', 0],
    ['second', 0],
    ['third', 0],
  ]);
  const order = shown.split('\n').filter((line) => line !== '' && !line.startsWith('-- '));
  expect(order).toEqual([
    ...['== first: about first', 'one', 'two'],
    ...['== second: about second', 'three'],
    ...['== third: about third', 'four'],
  ]);
});

it('begins nothing more after a failure, says it at once, and lets what runs end', async () => {
  const told = newFile();
  const { shown, outcomes } = await run(
    [
      [part('first', `${untilExists(told)} console.log('to its end')`), part('never', '')],
      [part('second', "console.log('why'); process.exitCode = 3"), part('neither', '')],
    ],
    (soFar) => {
      if (/-- second FAILED, \d+ s\n/.test(soFar)) writeFileSync(told, '');
    },
  );
  expect(outcomes).toEqual([
    ['first', 0],
    ['second', 3],
  ]);
  expect(shown.indexOf('to its end')).toBeLessThan(shown.indexOf('why'));
});

it('tells a part when it is not alone, and gives it its environment', async () => {
  const told = part('told', 'console.log(process.argv.slice(1).join(), process.env.PLACE)', {
    beside: ['beside'],
    env: { PLACE: 'here' },
  });
  const { shown } = await run([[told], [part('other', '')]]);
  expect(shown).toContain('beside here\n');
  expect((await run([[part('killed', "process.kill(process.pid, 'SIGKILL')")]])).outcomes).toEqual([['killed', 1]]);
});
