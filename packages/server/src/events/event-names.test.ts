import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EVENT_NAMES } from '@molecule/contract';
import { afterAll, beforeAll, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../../../..');
const from = (path: string) => JSON.stringify(join(ROOT, 'packages', path));
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'molecule-types-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** What the type check of the build says to more source files: the complaints by file. */
async function check(sources: Record<string, string>): Promise<Record<string, string>> {
  for (const [name, source] of Object.entries(sources)) await writeFile(join(folder, `${name}.ts`), source);
  await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  await writeFile(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      extends: join(ROOT, 'tsconfig.json'),
      compilerOptions: { typeRoots: [join(ROOT, 'node_modules/@types')] },
      include: [],
      files: Object.keys(sources).map((name) => `${name}.ts`),
    }),
  );
  const output = await new Promise<string>((resolve) =>
    execFile(join(ROOT, 'node_modules/.bin/tsc'), ['-p', folder], { cwd: ROOT }, (_, stdout) => resolve(stdout)),
  );
  const lines = output.split('\n');
  return Object.fromEntries(
    Object.keys(sources).map((name) => [name, lines.filter((line) => line.includes(`/${name}.ts(`)).join('\n')]),
  );
}

const emit = (event: string) => `
  import type { Events } from ${from('server/src/events/index.ts')};
  export const tell = (events: Events) =>
    events.broadcast({ event: '${event}', workspace_id: '', payload: { current_task: '', active_tasks: 0 } });`;

const reduce = (event: string) => `
  import type { EventFrame } from ${from('contract/src/events.ts')};
  import { applyEvent } from ${from('canvas/src/live/apply-event.ts')};
  type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
  export const one: Same<Parameters<typeof applyEvent>[1], EventFrame> = true;
  export function read(frame: EventFrame): boolean {
    switch (frame.event) {
      case '${event}':
        return true;
      default:
        return false;
    }
  }`;

it('20.67 a name outside the enum fails the build on the server and on the canvas, which share one enum', async () => {
  const said = await check({
    'emit-known': emit('TASK_UPDATED'),
    'emit-unknown': emit('TASK_CHANGED'),
    'reduce-known': reduce('TASK_UPDATED'),
    'reduce-unknown': reduce('TASK_CHANGED'),
  });
  expect([said['emit-known'], said['reduce-known']]).toEqual(['', '']);
  expect(said['emit-unknown']).toContain('TASK_CHANGED');
  expect(said['reduce-unknown']).toContain('TASK_CHANGED');
  expect(new Set(EVENT_NAMES).size).toBe(EVENT_NAMES.length);
});
