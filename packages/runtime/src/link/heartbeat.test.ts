// The heartbeat against a platform on a real socket, with a clock the test turns.

import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createManualTimers, type ManualTimers } from '../../test/manual-timers.ts';
import { createScriptedAdapter } from '../../test/scripted-adapter.ts';
import type { Respond, ScriptedPlatform } from '../../test/scripted-platform.ts';
import { createFolder, createTestLog, openPlatform, SELF } from '../../test/test-agent.ts';
import type { Adapter } from '../adapters/adapter.ts';
import { createCredentials } from '../credentials.ts';
import { createHeartbeat, type Heartbeat } from './heartbeat.ts';
import { createPlatformClient } from './platform-client.ts';
import { createTaskCounter, type TaskCounter } from './task-counter.ts';
import { createWedge } from './wedge.ts';

const BEAT = 'POST /registry/heartbeat';
const ok: Respond = () => ({ body: { status: 'ok' } });
const refused: Respond = () => ({ status: 401, body: { error: 'no' } });

/** Answers in this order; the last one stays. */
function inOrder(...responds: Respond[]): Respond {
  let next = 0;
  return (call) => (responds[Math.min(next++, responds.length - 1)] as Respond)(call);
}

interface Rig {
  platform: ScriptedPlatform;
  timers: ManualTimers;
  heartbeat: Heartbeat;
  counter: TaskCounter;
  wedge: ReturnType<typeof createWedge>;
  folder: string;
  resets: number;
  unknown: number;
  deleted: number;
  after: number;
  warnings(): string[];
  logged: ReturnType<typeof createTestLog>['lines'];
}

async function createRig(
  options: { adapter?: Partial<Adapter>; afterBeat?: () => void; folder?: string } = {},
): Promise<Rig> {
  const platform = await openPlatform();
  const folder = options.folder ?? createFolder();
  const timers = createManualTimers();
  const { log, lines } = createTestLog();
  const credentials = createCredentials(folder, {}, log);
  const client = createPlatformClient({ platformUrl: platform.url, workspaceId: SELF, credentials, log });
  const counter = createTaskCounter();
  const wedge = createWedge();
  const rig = {
    platform,
    timers,
    counter,
    wedge,
    folder,
    resets: 0,
    unknown: 0,
    deleted: 0,
    after: 0,
    logged: lines,
    warnings: () => lines.filter(({ level }) => level >= 40).map(({ msg }) => msg),
  };
  const heartbeat = createHeartbeat({
    client: {
      ...client,
      reset() {
        rig.resets += 1;
        client.reset();
      },
    },
    credentials,
    counter,
    wedge,
    adapter: createScriptedAdapter(() => ({ text: '' }), options.adapter),
    timers,
    log,
    version: '1.2.3',
    afterBeat() {
      rig.after += 1;
      options.afterBeat?.();
    },
    onUnknown() {
      rig.unknown += 1;
    },
    onDeleted() {
      rig.deleted += 1;
    },
  });
  onTestFinished(async () => {
    await heartbeat.stop();
    await client.close();
  });
  return Object.assign(rig, { heartbeat });
}

/** Starts the loop. @returns the bodies of the first so many beats, each after the pause before it. */
async function beats(rig: Rig, count: number) {
  rig.heartbeat.start();
  for (let number = 1; number < count; number += 1) {
    await rig.platform.waitFor(BEAT, number);
    await rig.timers.ring(20_000);
  }
  return (await rig.platform.waitFor(BEAT, count)).map(({ body }) => body);
}

/** Resolves when the first beat is settled and older than a quarter of a second. */
async function firstBeat(rig: Rig): Promise<void> {
  rig.heartbeat.start();
  await rig.timers.idle(20_000);
  rig.timers.advance(10_000);
}

describe('the body', () => {
  it('R06 the first beat has every field and the metadata, and no runtime_state', async () => {
    const rig = await createRig({
      adapter: { capabilities: () => ({ session: true }), idleTimeoutOverride: () => 600 },
    });
    const [body] = await beats(rig, 1);
    expect(body).toEqual({
      workspace_id: SELF,
      error_rate: 0,
      sample_error: '',
      active_tasks: 0,
      current_task: '',
      uptime_seconds: 0,
      runtime_metadata: {
        capabilities: {
          heartbeat: false,
          scheduler: false,
          session: true,
          status_mgmt: false,
          retry: false,
          activity_decoration: false,
          channel_dispatch: false,
        },
        idle_timeout_seconds: 600,
      },
      active_messages: [],
      active_delegations: [],
      needs_restart: false,
      runtime_version: '1.2.3',
    });
  });

  it('R07 idle override 600, null, 0, -1, and one that throws', async () => {
    const overrides: [() => number | null, unknown][] = [
      [() => 600, 600],
      [() => null, undefined],
      [() => 0, undefined],
      [() => -1, undefined],
    ];
    for (const [idleTimeoutOverride, expected] of overrides) {
      const [body] = await beats(await createRig({ adapter: { idleTimeoutOverride } }), 1);
      expect(body.runtime_metadata.idle_timeout_seconds).toBe(expected);
      expect(body.runtime_metadata.capabilities).toBeDefined();
    }
    const thrower = await createRig({
      adapter: {
        idleTimeoutOverride: () => {
          throw new Error('unknown');
        },
      },
    });
    const [body] = await beats(thrower, 1);
    expect(body.workspace_id).toBe(SELF);
    expect(body).not.toHaveProperty('runtime_metadata');
  });

  it('R13 the first wedge reason counts; cleared, its fields are gone from the next beat', async () => {
    const rig = await createRig();
    rig.wedge.mark('a');
    rig.wedge.mark('b');
    const [wedged] = await beats(rig, 1);
    expect(wedged).toMatchObject({ runtime_state: 'wedged', sample_error: 'a' });
    rig.wedge.clear();
    const [, cleared] = await beats(rig, 2);
    expect(cleared).not.toHaveProperty('runtime_state');
    expect(cleared.sample_error).toBe('');
  });

  it('counts errors per turn since the last accepted beat, and loses none that happen meanwhile', async () => {
    const rig = await createRig();
    rig.platform.on(
      BEAT,
      inOrder((call) => {
        rig.counter.recordResult('later');
        return ok(call);
      }, ok),
    );
    rig.counter.recordResult('first');
    rig.counter.recordResult(null);
    const [one, two, three] = await beats(rig, 3);
    expect(one).toMatchObject({ error_rate: 0.5, sample_error: 'first' });
    expect(two).toMatchObject({ error_rate: 1, sample_error: 'later' });
    expect(three).toMatchObject({ error_rate: 0, sample_error: 'later' });
  });
});

describe('a turn', () => {
  it('R14 its start and end push beats at once, 1 then 0, both with metadata; canceled during the push it is 0 again', async () => {
    const rig = await createRig();
    await firstBeat(rig);
    const endTask = rig.counter.beginTask({ turnId: 't1', label: 'one', messageId: 'm1' });
    await rig.platform.waitFor(BEAT, 2);
    endTask();
    const [, start, end] = (await rig.platform.waitFor(BEAT, 3)).map(({ body }) => body);
    expect([start.active_tasks, end.active_tasks]).toEqual([1, 0]);
    expect(start.runtime_metadata).toEqual(end.runtime_metadata);
    expect(start.runtime_metadata.capabilities).toBeDefined();

    await rig.timers.idle(20_000);
    rig.timers.advance(10_000);
    rig.platform.on(
      BEAT,
      inOrder((call) => {
        cancel();
        return ok(call);
      }, ok),
    );
    const cancel = rig.counter.beginTask({ turnId: 't2', label: 'two', messageId: 'm2' });
    const [pushed, after] = (await rig.platform.waitFor(BEAT, 5)).slice(3).map(({ body }) => body.active_tasks);
    expect([pushed, after]).toEqual([1, 0]);
  });

  it('20.141 an end is told at once, though the beat of its start is just past; the ends of the next quarter of a second share a beat', async () => {
    const rig = await createRig();
    await firstBeat(rig);
    const begin = (messageId: string) => rig.counter.beginTask({ turnId: messageId, label: 'one', messageId });
    const endFirst = begin('m1');
    await rig.platform.waitFor(BEAT, 2);
    // Held back for a quarter of a second, as it would be without the end.
    const endSecond = begin('m2');
    await rig.timers.idle();
    rig.timers.advance(10);
    endFirst();
    await rig.platform.waitFor(BEAT, 3);

    rig.timers.advance(20);
    endSecond();
    begin('m3')();
    const endFourth = begin('m4');
    expect(await rig.timers.ring()).toBe(230);
    const told = (await rig.platform.waitFor(BEAT, 4)).map(({ body }) => body.active_messages);
    expect(told).toEqual([[], ['m1'], ['m2'], ['m4']]);
    endFourth();
    expect(await rig.timers.ring()).toBe(250);
    expect((await rig.platform.waitFor(BEAT, 5)).at(-1)?.body.active_tasks).toBe(0);
  });

  it('shares a beat among the turns of a quarter of a second', async () => {
    const rig = await createRig();
    await firstBeat(rig);
    rig.counter.beginTask({ turnId: 't1', label: 'one', messageId: 'm1' });
    await rig.platform.waitFor(BEAT, 2);
    for (const messageId of ['m2', 'm3', 'm4']) rig.counter.beginTask({ turnId: messageId, label: 'more', messageId });
    await rig.timers.ring();
    const third = (await rig.platform.waitFor(BEAT, 3)).at(-1)?.body;
    expect(third.active_messages).toEqual(['m1', 'm2', 'm3', 'm4']);
    await rig.timers.ring(20_000);
    expect(await rig.platform.waitFor(BEAT, 4)).toHaveLength(4);
  });
});

describe('refusals', () => {
  it('R08 401 with a rotated token on disk: one retry at once, counter 0, its secret kept', async () => {
    const rig = await createRig();
    writeFileSync(join(rig.folder, '.auth_token'), 'old-token');
    const respond: Respond = ({ headers }) => {
      if (headers.authorization === 'Bearer new-token')
        return { body: { status: 'ok', platform_inbound_secret: 'rotated-secret' } };
      writeFileSync(join(rig.folder, '.auth_token'), 'new-token');
      return { status: 401, body: {} };
    };
    rig.platform.on(BEAT, respond);
    rig.heartbeat.start();
    const calls = await rig.platform.waitFor(BEAT, 2);
    expect(calls.map(({ headers }) => headers.authorization)).toEqual(['Bearer old-token', 'Bearer new-token']);
    await rig.timers.ring(20_000);
    await rig.platform.waitFor(BEAT, 3);
    expect(readFileSync(join(rig.folder, '.platform_inbound_secret'), 'utf8')).toBe('rotated-secret');
    expect(rig.warnings()).toEqual([]);
  });

  it('R09 401 twice is one failure, and the next beat comes only after the interval', async () => {
    const rig = await createRig();
    rig.platform.on(BEAT, refused);
    rig.heartbeat.start();
    const slept = await rig.timers.ring(20_000);
    expect(slept).toBeGreaterThanOrEqual(27_000);
    expect(rig.platform.callsTo(BEAT)).toHaveLength(2);
    expect(rig.logged.filter(({ failures }) => failures !== undefined).map(({ failures }) => failures)).toEqual([1]);
    expect(rig.deleted).toBe(0);
  });

  it('R62 a deleted workspace stops its loops without registering; a revoked token alone goes on', async () => {
    const revoked = await createRig();
    revoked.platform.on(BEAT, refused);
    await beats(revoked, 3);
    expect(revoked.deleted).toBe(0);

    const deleted = await createRig();
    deleted.platform.on(BEAT, refused);
    deleted.platform.on(`GET /workspaces/${SELF}/state`, () => ({ status: 404, body: { deleted: true } }));
    deleted.heartbeat.start();
    await expect.poll(() => deleted.deleted).toBe(1);
    // The loop has ended by itself: this resolves without anybody turning the clock.
    await deleted.heartbeat.stop();
    expect(deleted.unknown).toBe(0);
    expect(deleted.platform.callsTo('POST /registry/register')).toEqual([]);
  });

  it('asks for a new registration when the platform does not know it', async () => {
    const rig = await createRig();
    rig.platform.on(BEAT, () => ({ status: 404, body: {} }));
    await beats(rig, 2);
    await expect.poll(() => rig.unknown).toBe(2);
  });
});

describe('trouble', () => {
  it('R10 a reply without a secret, empty, not JSON, an array, and a disk error: no crash, the next beat on time', async () => {
    const rig = await createRig();
    // A folder where the file belongs is a disk error for everybody, root too.
    mkdirSync(join(rig.folder, '.platform_inbound_secret', 'x'), { recursive: true });
    chmodSync(rig.folder, 0o755);
    rig.platform.on(
      BEAT,
      inOrder(
        () => ({ body: {} }),
        () => ({ raw: '' }),
        () => ({ raw: 'fine, thanks' }),
        () => ({ body: ['platform_inbound_secret'] }),
        () => ({ body: { platform_inbound_secret: 'a-secret-nobody-can-store' } }),
        () => ({ body: { platform_inbound_secret: 5 } }),
        ok,
      ),
    );
    rig.heartbeat.start();
    for (let number = 1; number <= 7; number += 1) {
      await rig.platform.waitFor(BEAT, number);
      const slept = await rig.timers.ring(20_000);
      expect(slept).toBeGreaterThanOrEqual(27_000);
      expect(slept).toBeLessThanOrEqual(33_000);
    }
    await rig.platform.waitFor(BEAT, 8);
    expect(rig.after).toBeGreaterThanOrEqual(7);
    expect(rig.warnings()).toEqual(['credentials cannot be stored on disk; they are kept in memory only']);
  });

  it('R11 ten failures: the client is made anew once, beats are 25 s or more apart, five warnings at most', async () => {
    const rig = await createRig();
    rig.platform.on(BEAT, () => ({ status: 500, body: {} }));
    const at: number[] = [];
    rig.heartbeat.start();
    for (let number = 1; number <= 10; number += 1) {
      await rig.platform.waitFor(BEAT, number);
      at.push(rig.timers.now());
      await rig.timers.ring(20_000);
    }
    await rig.platform.waitFor(BEAT, 11);
    expect(rig.resets).toBe(1);
    for (let index = 1; index < at.length; index += 1)
      expect((at[index] ?? 0) - (at[index - 1] ?? 0)).toBeGreaterThanOrEqual(25_000);
    expect(rig.warnings().length).toBeLessThanOrEqual(5);
  });

  it('R12 an exception in the loop: alive again within one interval', async () => {
    let broken = true;
    const rig = await createRig({
      afterBeat() {
        if (broken) throw new Error('a fault of ours');
      },
    });
    rig.heartbeat.start();
    expect(await rig.timers.ring()).toBeLessThanOrEqual(30_000);
    await rig.platform.waitFor(BEAT, 2);
    expect(await rig.timers.ring()).toBeLessThanOrEqual(30_000);
    broken = false;
    await rig.platform.waitFor(BEAT, 3);
    await rig.timers.idle(20_000);
    expect(rig.warnings()).toEqual(['the heartbeat failed; it goes on', 'the heartbeat failed; it goes on']);
  });

  it('goes on when the platform cannot be reached at all', async () => {
    const rig = await createRig();
    await rig.platform.stop();
    rig.heartbeat.start();
    await rig.timers.ring(20_000);
    await rig.timers.ring(20_000);
    expect(rig.warnings()).toEqual(['a heartbeat was not accepted', 'a heartbeat was not accepted']);
  });
});
