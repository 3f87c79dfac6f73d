// `molecule start` as a person runs it: a real platform with real agents, found by the other commands through its data directory.

import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createDataDir, waitFor } from '@molecule/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { begin, endCommands, type Running, run } from './cli.ts';

afterAll(endCommands);

let dataDir: string;
let platform: Running;

beforeAll(async () => {
  dataDir = await createDataDir();
  platform = begin(['start', '--port', '0', '--data-dir', dataDir], { LOG_LEVEL: 'warn' });
  await platform.until('Ctrl-C stops it');
});
afterAll(async () => {
  // Not SIGKILL: its agents would outlive it.
  platform?.signal('SIGTERM');
  await platform?.ended;
  rmSync(dataDir, { recursive: true, force: true });
});

/** Of the agents, by the backend's own records. */
function agentPids(): number[] {
  const folder = join(dataDir, 'workspaces');
  return readdirSync(folder).map((id) => JSON.parse(readFileSync(join(folder, id, 'process.json'), 'utf8')).pid);
}

/** A zombie still takes signals, so its state is read. */
function isAlive(pid: number): boolean {
  const path = `/proc/${pid}/stat`;
  return existsSync(path) && !/\) Z /.test(readFileSync(path, 'utf8'));
}

it('serves, prints the link, is found by its data directory, refuses a second start, and Ctrl-C ends it with every agent', async () => {
  const greeting = await platform.until('Ctrl-C stops it');
  const url = /running at (http:\/\/127\.0\.0\.1:\d+)/.exec(greeting)?.[1];
  expect(greeting).toContain(`\n  ${url}/login?code=`);

  const env = { MOLECULE_DATA_DIR: dataDir };
  const [imported, second] = await Promise.all([
    run(['org', 'import', 'sample-team', '--json'], env),
    run(['start', '--port', '0', '--data-dir', dataDir, '--json']),
  ]);
  expect(imported).toMatchObject({ code: 0, err: '' });
  expect(imported.json()).toMatchObject({ ok: true, org: 'Sample team', count: 6 });
  expect(second).toMatchObject({ code: 1 });
  expect(second.json()).toMatchObject({ ok: false, error: expect.stringContaining(`already running at ${url}`) });

  // A team that was imported this moment is still starting: the message waits for its agent.
  const sent = await run(['send', 'chief', '[[echo: reply "done"]]', '--json'], env);
  expect(sent.lines().at(-1)).toMatchObject({ type: 'answer', ok: true, text: expect.stringContaining('done') });
  const ids = (imported.json().workspaces as { id: string }[]).map(({ id }) => id);
  await waitFor('every agent has a process', () =>
    ids.every((id) => existsSync(join(dataDir, 'workspaces', id, 'process.json'))),
  );
  const pids = agentPids();
  expect(pids.map(isAlive)).toEqual(Array(6).fill(true));

  platform.signal('SIGINT');
  expect((await platform.ended).code).toBe(0);
  expect(pids.map(isAlive)).toEqual(Array(6).fill(false));
  expect(await run(['status'], env)).toMatchObject({ code: 3, err: expect.stringContaining('no platform answers') });
}, 60_000);
