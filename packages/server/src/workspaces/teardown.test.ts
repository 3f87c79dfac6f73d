// Deleting with real workloads: child processes of the `process` backend.

import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { failureOf, signalProcess, startPlatform, type TestPlatform } from '@molecule/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { isAlive, shieldFromSignals } from '../../test/process-seats.ts';

let test: TestPlatform;
beforeAll(async () => {
  test = await startPlatform({
    env: { MOLECULE_PROVISIONER: 'process', MOLECULE_PROVISION_CONCURRENCY: '0' },
    agentCommand: [process.execPath, join(import.meta.dirname, '../../test/scripted-agent.ts')],
  });
});
afterAll(async () => {
  await test?.stop();
});

const folderOf = (id: string) => join(test.dataDir, 'workspaces', id);
const recordOf = (id: string) => join(folderOf(id), 'process.json');
const statusOf = async (id: string) =>
  (await test.db.kysely.selectFrom('workspaces').select('status').where('id', '=', id).executeTakeFirst())?.status;
const pidOf = (id: string) => (JSON.parse(readFileSync(recordOf(id), 'utf8')) as { pid: number }).pid;

/** A parent with `children` under it, all online; the parent first. */
async function startTeam(children: number): Promise<string[]> {
  const { id: parent } = await test.admin.createWorkspace({ body: { name: 'parent', runtime: 'echo' } });
  const created = await Promise.all(
    Array.from({ length: children }, (_, index) =>
      test.admin.createWorkspace({ body: { name: `child ${index}`, runtime: 'echo', parent_id: parent } }),
    ),
  );
  const ids = [parent, ...created.map(({ id }) => id)];
  for (const id of ids) await expect.poll(() => statusOf(id)).toBe('online');
  return ids;
}

it('10.45 one of three stops fails → 500 with its count, rows removed, nothing purged; a repeat stops it → 200', async () => {
  const [parent = '', stubborn = '', other = ''] = await startTeam(2);
  // Its process is gone, and where its record was is something that cannot be deleted as a file.
  const pid = pidOf(stubborn);
  await test.db.kysely.updateTable('workspaces').set({ runtime: 'external' }).where('id', '=', stubborn).execute();
  signalProcess(pid, 'SIGKILL');
  await expect.poll(() => existsSync(recordOf(stubborn))).toBe(false);
  mkdirSync(recordOf(stubborn));
  const query = { confirm: true, purge: true };
  const failed = await failureOf(test.admin.deleteWorkspace({ params: { id: parent }, query }));
  expect([failed.status, failed.body]).toEqual([
    500,
    expect.objectContaining({ code: 'stop_failures', removed_count: 3, stop_failures: 1 }),
  ]);
  expect(await Promise.all([parent, stubborn, other].map(statusOf))).toEqual(['removed', 'removed', 'removed']);
  expect([existsSync(folderOf(other)), existsSync(folderOf(stubborn))]).toEqual([false, true]);

  rmSync(recordOf(stubborn), { recursive: true });
  expect(await test.admin.deleteWorkspace({ params: { id: parent }, query })).toEqual({
    status: 'purged',
    cascade_deleted: 0,
  });
  expect(existsSync(folderOf(stubborn))).toBe(false);
  expect(await statusOf(parent)).toBeUndefined();
});

it('10.46 the client disconnects after DELETE → workloads and volumes are still removed', async () => {
  const [parent = '', child = ''] = await startTeam(1);
  const pids = [pidOf(parent), pidOf(child)];
  const hangUp = new AbortController();
  // One that does not hear that it shall end: the client is gone as soon as the rows are marked, while it still stops.
  signalProcess(pidOf(parent), 'SIGSTOP');
  const marked = new Promise<void>((resolve) => {
    const end = test.platform.events.onWorkspace(parent, (frame) => {
      if (frame.event !== 'WORKSPACE_REMOVED') return;
      end();
      resolve();
    });
  });
  const call = fetch(`${test.url}/workspaces/${parent}?confirm=true`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${test.adminToken}` },
    signal: hangUp.signal,
  });
  const outcome = call.then(
    (response) => response.status,
    (error: Error) => error.name,
  );
  await marked;
  hangUp.abort();
  expect(await outcome).toBe('AbortError');
  signalProcess(pids[0] as number, 'SIGCONT');
  await expect
    .poll(() => [...pids.map(isAlive), existsSync(folderOf(parent)), existsSync(folderOf(child))])
    .toEqual([false, false, false, false]);
});

it('10.47 a seven-way cascade that races the orphan sweeper twice → 200, everything ended', async () => {
  const ids = await startTeam(6);
  const pids = ids.map(pidOf);
  const sweeper = test.platform.provisioning.loops.find((loop) => loop.name === 'orphan-sweeper');
  const sweep = () => sweeper?.run(AbortSignal.timeout(30_000));
  const marked = new Promise<void>((resolve) => {
    const end = test.platform.events.onWorkspace(ids[0] ?? '', (frame) => {
      if (frame.event !== 'WORKSPACE_REMOVED') return;
      end();
      resolve();
    });
  });
  const deleted = test.admin.deleteWorkspace({
    params: { id: ids[0] ?? '' },
    query: { confirm: true },
    timeoutMs: 30_000,
  });
  await marked;
  const sweeps = await Promise.allSettled([sweep(), sweep()]);
  expect(await deleted).toEqual({ status: 'removed', cascade_deleted: 6 });
  expect(sweeps.map((result) => result.status)).toEqual(['fulfilled', 'fulfilled']);
  expect(pids.map(isAlive)).toEqual(pids.map(() => false));
  expect(ids.map((id) => existsSync(folderOf(id)))).toEqual(ids.map(() => false));
});

it('collapse: what cannot be stopped is 500 with the names and the count, and a repeat stops it', async () => {
  const [parent = '', stubborn = '', other = ''] = await startTeam(2);
  const [pid, otherPid, parentPid] = [pidOf(stubborn), pidOf(other), pidOf(parent)];
  const lift = shieldFromSignals(pid);
  const call = () => test.admin.collapseWorkspace({ params: { id: parent }, timeoutMs: 30_000 });
  const failed = await failureOf(call()).finally(lift);
  expect([failed.status, failed.code, failed.body.stop_failures]).toEqual([500, 'stop_failures', 1]);
  expect((failed.body.removed as string[]).sort()).toEqual(['child 0', 'child 1']);
  expect([isAlive(pid), isAlive(otherPid), isAlive(parentPid)]).toEqual([true, false, true]);
  expect([existsSync(folderOf(stubborn)), existsSync(folderOf(other))]).toEqual([true, false]);

  expect(await call()).toEqual({ status: 'collapsed', removed: [] });
  expect([isAlive(pid), existsSync(folderOf(stubborn)), await statusOf(parent)]).toEqual([false, false, 'online']);
});
