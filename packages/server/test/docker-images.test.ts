// Image pins, refreshing and orphans with a whole platform on a real engine (chapter 10 §2.5, §7.5, §7.8, §8).

import { type DockerEngine, startDockerEngine, whyNoDockerEngine } from '@molecule/testkit/docker-engine';
import { type ImageRegistry, startImageRegistry } from '@molecule/testkit/image-registry';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLog } from '../src/platform/log.ts';
import { createEngineImages } from '../src/provisioning/backends/docker/images.ts';
import { containerOf, type DockerSeats, PATIENCE, startDockerSeats } from './docker-seats.ts';
import { AGENT_COMMAND, AGENT_FILES, openFaultyEngine, removeWorkloads } from './docker-stage.ts';

const missing = whyNoDockerEngine();
const REPOSITORY = 'test/workspace-echo';
const UNKNOWN_ID = '0123abcd-4567-4abc-8def-000000000001';
const LABELS = { 'molecule.platform.managed': 'true', 'molecule.workspace.id': UNKNOWN_ID };

describe.skipIf(missing !== null)(
  `images of agents${missing ? ` (skipped: ${missing})` : ''}`,
  { timeout: 60_000 },
  () => {
    let engine: DockerEngine;
    let registry: ImageRegistry;
    let layers: Buffer[];
    let prefix: string;
    const running: DockerSeats[] = [];

    beforeAll(async () => {
      engine = await startDockerEngine();
      layers = ['one', 'two'].map((version) => engine.packTools({ ...AGENT_FILES, version }));
    }, 120_000);
    afterAll(() => engine.stop());
    beforeEach(async () => {
      registry = await startImageRegistry();
      prefix = `${registry.host}/test/workspace-`;
    });
    afterEach(async () => {
      for (const seats of running.splice(0)) await seats.stop();
      await removeWorkloads(engine);
      await registry.stop();
    });

    const push = (version: 1 | 2, tag = 'latest') =>
      registry.push(REPOSITORY, tag, layers[version - 1] as Buffer, AGENT_COMMAND);

    async function open(env: Record<string, string> = {}): Promise<DockerSeats> {
      const seats = await startDockerSeats(engine, { env: { MOLECULE_IMAGE_PREFIX: prefix, ...env } });
      running.push(seats);
      return seats;
    }

    const imageOf = async (id: string) => (await engine.docker.getContainer(containerOf(id)).inspect()).Config.Image;
    const isThere = (container: string) =>
      engine.docker
        .getContainer(container)
        .inspect()
        .then(
          () => true,
          () => false,
        );

    it('10.73 a moving tag is pulled again and nothing else is; a pin is used and recorded; one that cannot be read is none', async () => {
      const images = createEngineImages({
        engine: engine.docker,
        platform: null,
        login: null,
        log: createLog('silent'),
      });
      const pinned = push(1);
      for (const tag of ['1.2.3', '1.0']) push(1, tag);
      const pullsOf = async (reference: string) => {
        const signal = AbortSignal.timeout(10_000);
        await images.ensure(reference, 'echo', signal);
        const before = registry.pulls.length;
        await images.ensure(reference, 'echo', signal);
        return registry.pulls.length - before;
      };
      expect(await pullsOf(`${prefix}echo:latest`)).toBeGreaterThan(0);
      expect(await pullsOf(`${prefix}echo:1.2.3`)).toBe(0);
      // The port of a registry is no tag.
      expect(await pullsOf(`${prefix}echo:1.0`)).toBe(0);
      expect(await pullsOf(`${prefix}echo@${pinned}`)).toBe(0);

      const newest = push(2);
      const seats = await open();
      await seats.admin.putImagePin({ params: { template: 'echo' }, body: { digest: pinned } });
      const first = await seats.create();
      await seats.untilRunning(first);
      expect(await imageOf(first)).toBe(`${prefix}echo@${pinned}`);
      expect((await seats.row(first)).runtime_image_digest).toBe(pinned);

      await seats.db.pool.query('alter table runtime_image_pins rename to elsewhere');
      const second = await seats.create();
      await seats.untilRunning(second);
      expect(await imageOf(second)).toBe(`${prefix}echo:latest`);
      expect((await seats.row(second)).runtime_image_digest).toBe(newest);
    });

    it('10.91 a digest beside a moving tag is what counts: cached, it is not pulled again', async () => {
      const images = createEngineImages({
        engine: engine.docker,
        platform: null,
        login: null,
        log: createLog('silent'),
      });
      const reference = `${prefix}echo:latest@${push(1)}`;
      await images.ensure(reference, 'echo', AbortSignal.timeout(10_000));
      const before = registry.pulls.length;
      push(2);
      await images.ensure(reference, 'echo', AbortSignal.timeout(10_000));
      expect(registry.pulls).toHaveLength(before);
    });

    it('10.74 the watcher takes what it sees first for old news, a new digest for one refresh, and a failure for a retry', async () => {
      push(1);
      const seats = await open({ IMAGE_AUTO_REFRESH: 'true' });
      const id = await seats.create();
      await seats.untilRunning(id);
      const before = (await engine.docker.getContainer(containerOf(id)).inspect()).Id;
      const loop = seats.platform.provisioning.loops.find((one) => one.name === 'image-auto-refresh');
      expect(loop?.everyMs).toBe(300_000);
      // Its own first pass is over: the next one comes in five minutes, and no two of them meet.
      await vi.waitFor(async () => {
        const { subsystems } = await seats.admin.liveness();
        expect(subsystems['image-auto-refresh']?.last_success_at).not.toBeNull();
      }, PATIENCE);
      expect(await seats.run('image-auto-refresh')).toEqual({ checked: 1, refreshed: 0, failed: 0 });
      // Never seen by this engine, so that it has to be fetched.
      const layer = engine.packTools({ ...AGENT_FILES, version: 'newer' });
      registry.push(REPOSITORY, 'latest', layer, AGENT_COMMAND);
      registry.broken.add(`${REPOSITORY}/blobs`);
      expect(await seats.run('image-auto-refresh')).toEqual({ checked: 1, refreshed: 0, failed: 1 });
      expect(await isThere(before)).toBe(true);
      registry.broken.clear();
      // Meanwhile somebody else pulled it: the listing knows the running one by its digest alone.
      await engine.docker
        .pull(`${prefix}echo:latest`)
        .then(
          (stream: NodeJS.ReadableStream) => new Promise((done) => engine.docker.modem.followProgress(stream, done)),
        );
      const listed = (await engine.docker.listContainers()).find((one) => one.Id === before);
      expect(listed?.Image).not.toBe(`${prefix}echo:latest`);
      expect(await seats.run('image-auto-refresh')).toEqual({ checked: 1, refreshed: 1, failed: 0 });
      expect(await isThere(before)).toBe(false);
      expect(await seats.run('image-auto-refresh')).toEqual({ checked: 1, refreshed: 0, failed: 0 });
    });

    it('a refresh on request says what was pulled, what failed and whose agents were ended', async () => {
      push(1);
      const seats = await open();
      const id = await seats.create();
      await seats.untilRunning(id);
      const all = await seats.admin.refreshImages({ query: { recreate: 'false' } });
      expect(all).toEqual({ pulled: ['echo'], failed: expect.arrayContaining(['codex', 'ai-sdk']), recreated: [] });
      expect(all.failed).not.toContain('external');
      expect(await isThere(containerOf(id))).toBe(true);
      expect(await seats.admin.refreshImages({ query: { runtime: 'echo' } })).toEqual({
        pulled: ['echo'],
        failed: [],
        recreated: [id],
      });
      await expect(seats.admin.refreshImages({ query: { runtime: 'none-such' } })).rejects.toMatchObject({
        status: 400,
        body: { code: 'unknown_runtime', known_runtimes: expect.arrayContaining(['echo']) },
      });
    });

    it('a refresh that cannot list the containers says how far it came', async () => {
      push(1);
      const faulty = await openFaultyEngine(engine);
      const seats = await open({ DOCKER_HOST: faulty.host });
      faulty.refusals.push('/containers/json', '/containers/json', '/containers/json');
      await expect(seats.admin.refreshImages({ query: { runtime: 'echo' } })).rejects.toMatchObject({
        status: 500,
        body: { code: 'refresh_incomplete', partial_result: { pulled: ['echo'], failed: [], recreated: [] } },
      });
      await seats.stop();
      running.splice(0);
      await faulty.close();
    });

    describe('orphans', () => {
      const create = async (name: string, Labels: Record<string, string> = {}) => {
        await (await engine.docker.createContainer({ name, Image: `${prefix}echo:latest`, Labels })).start();
      };
      /** A platform whose own first sweep is over, so that the next one is the test's. */
      async function openSettled(env: Record<string, string>): Promise<DockerSeats> {
        const seats = await open(env);
        await vi.waitFor(() => {
          const report = seats.platform.supervisor.report().find((one) => one.name === 'orphan-sweeper');
          expect(report?.lastSuccessAt).not.toBeNull();
        }, PATIENCE);
        return seats;
      }

      it('10.69 after a wiped database what bears our label goes, what does not stays, and a list that fails costs its own pass only', async () => {
        push(1);
        const faulty = await openFaultyEngine(engine);
        const before = await open();
        const id = await before.create();
        await before.untilRunning(id);
        await before.stop();
        running.splice(0);
        expect(await isThere(containerOf(id))).toBe(true);

        // Another database, the same engine.
        const seats = await openSettled({ DOCKER_HOST: faulty.host });
        await vi.waitFor(async () => expect(await isThere(containerOf(id))).toBe(false), PATIENCE);
        expect((await engine.docker.listVolumes()).Volumes ?? []).toEqual([]);

        await create('ws-0123456789ab');
        await create('somebody-elses');
        await create(containerOf(UNKNOWN_ID), LABELS);
        // The first pass lists first.
        faulty.refusals.push('/containers/json');
        expect(await seats.run('orphan-sweeper')).toMatchObject({ ended: 1 });
        expect(faulty.refusals).toEqual([]);
        expect(await isThere(containerOf(UNKNOWN_ID))).toBe(false);
        expect(await isThere('ws-0123456789ab')).toBe(true);
        expect(await isThere('somebody-elses')).toBe(true);
        await seats.stop();
        running.splice(0);
        await faulty.close();
      });

      it('what bears the name of a removed workspace goes, whoever made it', async () => {
        push(1);
        const seats = await openSettled({});
        const id = await seats.create();
        await seats.untilRunning(id);
        await seats.admin.deleteWorkspace({ params: { id }, query: { confirm: 'true' } });
        expect(await isThere(containerOf(id))).toBe(false);
        await create(containerOf(id));
        expect(await seats.run('orphan-sweeper')).toMatchObject({ ended: 1 });
        expect(await isThere(containerOf(id))).toBe(false);
      });

      it('with the engine away nothing is taken for gone', async () => {
        push(1);
        const faulty = await openFaultyEngine(engine);
        const seats = await openSettled({ DOCKER_HOST: faulty.host });
        const id = await seats.create();
        await seats.untilRunning(id);
        faulty.refusals.push(...Array.from({ length: 20 }, () => `/containers/${containerOf(id)}/json`));
        expect(await seats.run('health-sweep')).toMatchObject({ restarted: 0 });
        expect(await isThere(containerOf(id))).toBe(true);
        await seats.stop();
        running.splice(0);
        await faulty.close();
      });
    });
  },
);
