// Which image a container really runs, on a real engine with a registry on loopback (chapter 10 §7.5, §7.8).

import { type DockerEngine, startDockerEngine, whyNoDockerEngine } from '@molecule/testkit/docker-engine';
import { type ImageRegistry, startImageRegistry } from '@molecule/testkit/image-registry';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  AGENT_COMMAND,
  AGENT_FILES,
  CONTAINER,
  type DockerStage,
  dockerSpec,
  ID,
  OTHER_ID,
  openDockerStage,
} from '../../../../test/docker-stage.ts';

const missing = whyNoDockerEngine();
const REPOSITORY = 'test/workspace-echo';

describe.skipIf(missing !== null)(
  `a container engine${missing ? ` (skipped: ${missing})` : ''}`,
  { timeout: 60_000 },
  () => {
    let engine: DockerEngine;
    let registry: ImageRegistry;
    let layers: Buffer[];
    let stage: DockerStage;
    let prefix: string;
    const recorded: (string | undefined)[] = [];

    beforeAll(async () => {
      engine = await startDockerEngine();
      layers = ['one', 'two', 'three'].map((version) => engine.packTools({ ...AGENT_FILES, version }));
    });
    afterAll(() => engine.stop());
    beforeEach(async () => {
      registry = await startImageRegistry();
      prefix = `${registry.host}/test/workspace-`;
      recorded.splice(0);
      stage = await openDockerStage(engine, { MOLECULE_IMAGE_PREFIX: prefix });
    });
    afterEach(async () => {
      await stage.close();
      await registry.stop();
    });

    /** A new version of the image, the newest from now on. */
    const push = (version: number, tag = 'latest') =>
      registry.push(REPOSITORY, tag, layers[version - 1] ?? Buffer.alloc(0), AGENT_COMMAND);
    const start = (changes = {}) =>
      stage.backend.start(
        dockerSpec('silent', { record: async ({ imageDigest }) => void recorded.push(imageDigest), ...changes }),
      );
    async function versionOf(container: string): Promise<string> {
      const exec = await engine.docker
        .getContainer(container)
        .exec({ Cmd: ['cat', '/version'], AttachStdout: true, Tty: true });
      let text = '';
      for await (const chunk of await exec.start({ Tty: true })) text += String(chunk);
      return text.trim();
    }

    it('the newest is pulled when it is missing, and again when it may have changed', async () => {
      const first = push(1);
      await start();
      expect(await versionOf(CONTAINER)).toBe('one');
      const second = push(2);
      await start();
      expect(await versionOf(CONTAINER)).toBe('two');
      expect(recorded).toEqual([first, second]);
    });

    it('a pin is what runs, is recorded, and is never pulled twice', async () => {
      const pinned = push(1);
      push(2);
      await start({ imageDigest: pinned });
      expect(await versionOf(CONTAINER)).toBe('one');
      expect((await engine.docker.getContainer(CONTAINER).inspect()).Config.Image).toBe(`${prefix}echo@${pinned}`);
      const asked = registry.pulls.length;
      await start({ imageDigest: pinned });
      expect(registry.pulls).toHaveLength(asked);
      expect(recorded).toEqual([pinned, pinned]);
    });

    it('with images of this machine pins do not count', async () => {
      const pinned = push(1);
      const newest = push(2);
      const local = await openDockerStage(engine, {
        MOLECULE_IMAGE_PREFIX: prefix,
        WORKSPACE_IMAGE_LOCAL_OVERRIDE: '1',
      });
      await local.backend.start(
        dockerSpec('silent', {
          imageDigest: pinned,
          record: async ({ imageDigest }) => void recorded.push(imageDigest),
        }),
      );
      expect(recorded).toEqual([newest]);
      await local.close();
    });

    it('what cannot be pulled is no loss while a cached one is here', async () => {
      const digest = push(1);
      await start();
      registry.broken.add(REPOSITORY);
      await start();
      expect(await versionOf(CONTAINER)).toBe('one');
      expect(recorded).toEqual([digest, digest]);
      expect(stage.logLines.some((line) => String(line.msg).includes('the cached one is used'))).toBe(true);
    });

    it('logs in where it was told a name and a password, and cannot pull with wrong ones', async () => {
      const digest = push(1);
      registry.requireLogin('robot', 'its-token');
      const open = (GHCR_TOKEN: string) =>
        openDockerStage(engine, { MOLECULE_IMAGE_PREFIX: prefix, GHCR_USER: 'robot', GHCR_TOKEN });
      const stranger = await open('wrong');
      await expect(stranger.backend.start(dockerSpec('silent'))).rejects.toMatchObject({ name: 'StartRefusedError' });
      await stranger.close();
      const robot = await open('its-token');
      expect(await robot.backend.images?.registryDigest('echo')).toBe(digest);
      await robot.backend.start(dockerSpec('silent'));
      expect(await robot.backend.isRunning(ID)).toEqual({ running: true });
      expect(JSON.stringify([...stranger.logLines, ...robot.logLines])).not.toMatch(/its-token|wrong/);
      await robot.close();
    });

    it('without either, the start is refused with the name of the runtime', async () => {
      await expect(start({ runtime: 'codex' })).rejects.toMatchObject({
        name: 'StartRefusedError',
        message: expect.stringContaining('for the runtime codex'),
      });
    });

    it('an image that was made here is recorded by the id the engine gave it', async () => {
      const local = await openDockerStage(engine, { MOLECULE_IMAGE_PREFIX: 'made/here-' });
      await engine.makeToolImage('made/here-echo:latest', AGENT_FILES, AGENT_COMMAND);
      await local.backend.start(
        dockerSpec('silent', { record: async ({ imageDigest }) => void recorded.push(imageDigest) }),
      );
      expect(recorded).toEqual([(await engine.docker.getImage('made/here-echo:latest').inspect()).Id]);
      await local.close();
    });

    it('refreshing tells the newest of the registry, pulls it, and ends exactly what follows its tag', async () => {
      const { images } = stage.backend;
      if (!images) throw new Error('no images');
      const old = push(1);
      expect(await images.has('echo')).toBe(false);
      await start();
      await start({ id: OTHER_ID, imageDigest: old });
      // Longer, but no longer a version of the same repository.
      registry.push(`${REPOSITORY}-2`, 'latest', layers[2] ?? Buffer.alloc(0), AGENT_COMMAND);
      await start({ id: '8c1f0f9e-2f0b-4f9a-8f6e-5f4b0d8c2a03', runtime: 'echo-2' });
      const newest = push(2);
      expect(await images.registryDigest('echo')).toBe(newest);
      await images.pull('echo', AbortSignal.timeout(10_000));
      // The tag has moved on: the listing knows the running one by its digest alone.
      const listed = await engine.docker.listContainers();
      expect(listed.find((one) => one.Names.includes(`/${CONTAINER}`))?.Image).toMatch(
        /^sha256:|@sha256:|^[0-9a-f]{12}/,
      );
      expect(await images.recreate('echo')).toEqual([ID]);
      expect(await stage.backend.isRunning(ID)).toEqual({ running: false });
      expect(await stage.backend.isRunning(OTHER_ID)).toEqual({ running: true });
      expect(await engine.docker.listContainers()).toHaveLength(2);
      // Asked for: no crash.
      expect(stage.exits).toEqual([]);
    });
  },
);
