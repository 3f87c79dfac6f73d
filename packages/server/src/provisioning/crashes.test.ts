// Agents that end by themselves: what is said within two seconds, what is tried again, and when it is given up.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createManualClock, openTestDatabase, signalProcess } from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { isAlive, type ProcessSeats, startProcessSeats, untilGone } from '../../test/process-seats.ts';

const clock = createManualClock();
const revived: unknown[] = [];
let seats: ProcessSeats;

beforeAll(async () => {
  seats = await startProcessSeats({
    clock,
    onLog: (line) => line.msg === 'an agent is started again' && revived.push(line.workspace_id),
  });
});
afterAll(async () => {
  await seats?.stop();
});

const lastPid = (id: string) => seats.starts(id).at(-1) as number;

/** Lets the back-off pass and the crashed agent start again. */
async function restartAfter(seconds: number): Promise<void> {
  clock.advance(seconds * 1_000);
  await seats.run('workload-supervision');
}

describe('an agent that ends by itself', () => {
  it('kill -9 of an agent → noticed within two seconds with its reason, restarted, the next message works', async () => {
    const id = await seats.create();
    await seats.until(id, 'online');
    expect(await seats.say(id, 'hello')).toContain(`answered by ${lastPid(id)}`);
    const first = lastPid(id);
    signalProcess(first, 'SIGKILL');
    const killedAt = performance.now();
    const [frame] = await seats.untilNamed(id, 'WORKSPACE_OFFLINE');
    expect(performance.now() - killedAt).toBeLessThan(2_000);
    expect(frame?.payload).toEqual({ reason: 'the agent process was ended by SIGKILL', signal: 'SIGKILL' });
    expect(await seats.row(id)).toMatchObject({
      status: 'offline',
      last_sample_error: 'the agent process was ended by SIGKILL',
    });
    await restartAfter(1);
    await seats.until(id, 'online');
    expect(seats.starts(id)).toHaveLength(2);
    expect(lastPid(id)).not.toBe(first);
    expect(await seats.say(id, 'hello again')).toContain(`answered by ${lastPid(id)}`);
  });

  it('a crash → offline with its last words and its exit code; a back-off that doubles; failed after six', async () => {
    const id = await seats.create('crash');
    for (const [crash, seconds] of [1, 2, 4, 8, 16].entries()) {
      expect((await seats.untilNamed(id, 'WORKSPACE_OFFLINE', crash + 1)).at(-1)?.payload).toEqual({
        reason: 'the agent process exited with code 3: fatal: the scripted crash',
        exit_code: 3,
      });
      // A moment too early nothing starts.
      await restartAfter(seconds - 0.001);
      expect((await seats.row(id)).status).toBe('offline');
      expect(seats.starts(id)).toHaveLength(crash + 1);
      await restartAfter(0.001);
      await seats.untilStarts(id, crash + 2);
    }
    const row = await seats.until(id, 'failed');
    expect(row.last_sample_error).toBe(
      'stopped restarting after 6 crashes: the agent process exited with code 3: fatal: the scripted crash',
    );
    expect(row.url).toBeNull();
    const [failure] = await seats.untilNamed(id, 'WORKSPACE_PROVISION_FAILED');
    expect(failure?.payload).toMatchObject({ error: row.last_sample_error, exit_code: 3 });
    await restartAfter(600);
    expect(await seats.run('health-sweep')).toMatchObject({ restarted: 0 });
    expect(seats.starts(id)).toHaveLength(6);

    // A person may try again, and starts with a clean record.
    seats.rescript(id, 'ok');
    await seats.admin.restartWorkspace({ params: { id } });
    await seats.until(id, 'online');
  });

  it('a message for a crashed agent does not cut its back-off short', async () => {
    const id = await seats.create();
    await seats.until(id, 'online');
    signalProcess(lastPid(id), 'SIGKILL');
    await seats.until(id, 'offline');
    expect(await seats.say(id, 'anyone?')).toMatch(/^503 .*"restarting":true/);
    expect(revived).not.toContain(id);
    await restartAfter(1);
    await seats.until(id, 'online');
    expect(seats.starts(id)).toHaveLength(2);
  });

  it('a crash before it ever came up → failed with its last words at once, and tried again all the same', async () => {
    const id = await seats.create('crash-early');
    expect((await seats.untilNamed(id, 'WORKSPACE_PROVISION_FAILED'))[0]?.payload).toMatchObject({
      error: 'the agent process exited with code 7: Error: it broke before it listened',
      exit_code: 7,
    });
    seats.rescript(id, 'ok');
    await restartAfter(1);
    await seats.until(id, 'online');
  });

  it('a start that crashed is tried again by the next platform when this one ended before the retry', async () => {
    const db = await openTestDatabase();
    const dataDir = mkdtempSync(join(tmpdir(), 'molecule-crashes-'));
    const first = await startProcessSeats({ db, dataDir });
    const id = await first.create('crash-early');
    const [failed] = await first.untilNamed(id, 'WORKSPACE_PROVISION_FAILED');
    expect(failed?.payload).toMatchObject({ exit_code: 7 });
    // The stop of the platform forgets what it would have done in a second.
    await first.stop();
    first.rescript(id, 'ok');
    const second = await startProcessSeats({ db, dataDir });
    try {
      await sql`update workspaces set retry_at = now() - interval '1 second' where id = ${id}`.execute(db.kysely);
      await second.run('health-sweep');
      await second.until(id, 'online');
    } finally {
      await second.stop();
      await db.close();
      rmSync(dataDir, { recursive: true, force: true });
    }
  });

  it('what an agent started ends with it, also what left its process group', async () => {
    const [plain, runaway] = await Promise.all([seats.create('grandchild'), seats.create('runaway')]);
    for (const id of [plain, runaway]) {
      await seats.until(id, 'online');
      const child = Number(readFileSync(seats.folder(id, 'home', 'grandchild'), 'utf8'));
      expect(isAlive(child)).toBe(true);
      signalProcess(lastPid(id), 'SIGKILL');
      await untilGone(child);
    }
  });
});

describe('an agent that refuses to start', () => {
  it('says the runtime’s own sentences at once, names what is missing, and is not tried again', async () => {
    const id = await seats.create('refuse', { secrets: { PLANTED: 'planted-secret-value' } });
    const error =
      'ANTHROPIC_API_KEY is not set\nthe model anthropic:claude-opus-4-7 needs it\nfix: save it as a secret';
    expect((await seats.untilNamed(id, 'WORKSPACE_PROVISION_FAILED'))[0]?.payload).toMatchObject({
      error,
      missing: ['ANTHROPIC_API_KEY'],
      exit_code: 1,
    });
    expect(await seats.row(id)).toMatchObject({ status: 'failed', last_sample_error: error, url: null });
    await restartAfter(600);
    expect(seats.starts(id)).toHaveLength(1);
  });

  it('secret values never appear in what people read: reason, event and log', async () => {
    const planted = 'planted-secret-value';
    const id = await seats.create('refuse-with-secret', { secrets: { PLANTED: planted } });
    const row = await seats.until(id, 'failed');
    expect(row.last_sample_error).toBe('the key [redacted] was refused');
    // A refused key is not a missing one.
    const [failure] = await seats.untilNamed(id, 'WORKSPACE_PROVISION_FAILED');
    expect(failure?.payload).not.toHaveProperty('missing');
    expect(JSON.stringify(seats.frames)).not.toContain(planted);
    const log = await seats.admin.getWorkspaceLogs({ params: { id } });
    expect(log.lines.join('\n')).toContain('the key [redacted] was refused');
    expect(log.lines.join('\n')).not.toContain(planted);
  });

  it('with secrets that cannot be read nothing it said is repeated', async () => {
    const id = await seats.create('refuse', { secrets: { PLANTED: 'planted-secret-value' } });
    await seats.until(id, 'failed');
    await seats.db.pool.query(
      "insert into workspace_secrets (workspace_id, key, encrypted_value, encryption_version) values ($1, 'FUTURE', 'x', 99)",
      [id],
    );
    const { lines } = await seats.admin.getWorkspaceLogs({ params: { id } });
    expect(lines).toEqual([expect.stringContaining('withheld')]);
    await seats.admin.restartWorkspace({ params: { id } });
    await vi.waitFor(
      async () => expect((await seats.row(id)).last_sample_error).toBe('failed to decrypt workspace secret'),
      15_000,
    );
    expect(seats.starts(id)).toHaveLength(1);
  });

  it('saving the missing key globally starts every seat that waits for it, and none that has its own or sleeps', async () => {
    const [waiting, alsoWaiting] = await Promise.all([
      seats.create('refuse-without-key'),
      seats.create('refuse-without-key'),
    ]);
    const own = await seats.create('refuse-without-key', { secrets: { ANTHROPIC_API_KEY: 'own-key' } });
    const paused = await seats.create('refuse-without-key');
    for (const id of [waiting, alsoWaiting, paused]) {
      const [failure] = await seats.untilNamed(id, 'WORKSPACE_PROVISION_FAILED');
      expect(failure?.payload).toMatchObject({ missing: ['ANTHROPIC_API_KEY'] });
    }
    await seats.until(own, 'online');
    await seats.platform.workspaces.transition('pause', paused);
    const before = seats.starts(own).length;
    await seats.admin.saveGlobalSecret({ body: { key: 'ANTHROPIC_API_KEY', value: 'shared-key' } });
    await Promise.all([seats.until(waiting, 'online'), seats.until(alsoWaiting, 'online')]);
    expect((await seats.row(waiting)).last_sample_error).toBeNull();
    expect(seats.environment(waiting).ANTHROPIC_API_KEY).toBe('shared-key');
    expect(seats.starts(own)).toHaveLength(before);
    expect(seats.environment(own).ANTHROPIC_API_KEY).toBe('own-key');
    expect(seats.starts(paused)).toHaveLength(1);
    expect((await seats.row(paused)).status).toBe('paused');
    await seats.admin.deleteGlobalSecret({ params: { key: 'ANTHROPIC_API_KEY' } });
  });

  it('a taken port is no failure: another one is tried, and the agent is called there', async () => {
    const id = await seats.create('port-taken');
    const row = await seats.until(id, 'online');
    const taken = readFileSync(seats.folder(id, 'home', 'port-was-taken'), 'utf8');
    expect(seats.starts(id)).toHaveLength(2);
    expect(seats.environment(id).PORT).not.toBe(taken);
    expect(row.url).toBe(`http://127.0.0.1:${seats.environment(id).PORT}`);
    expect(seats.named(id, 'WORKSPACE_PROVISION_FAILED')).toHaveLength(0);
    expect(await seats.say(id, 'there?')).toContain(`answered by ${lastPid(id)}`);
  });

  it('a host directory that is not there is named, and nothing runs', async () => {
    const gone = seats.folder('nowhere');
    rmSync(gone, { recursive: true, force: true });
    const id = await seats.create('', { workspace_dir: gone, workspace_access: 'read_write' });
    const row = await seats.until(id, 'failed');
    expect(row.last_sample_error).toBe(`workspace_dir ${gone} is not a folder on this machine`);
    expect(seats.starts(id)).toHaveLength(0);
  });
});
