// How containers end, and what outlives the platform, on a real engine (chapter 10 §7.5).

import { type DockerEngine, startDockerEngine, whyNoDockerEngine } from '@molecule/testkit/docker-engine';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  CONTAINER,
  type DockerStage,
  dockerSpec,
  ID,
  makeAgentImage,
  OTHER_ID,
  openDockerStage,
} from '../../../../test/docker-stage.ts';

const missing = whyNoDockerEngine();
const PATIENCE = { timeout: 15_000, interval: 20 };

describe.skipIf(missing !== null)(
  `a container engine${missing ? ` (skipped: ${missing})` : ''}`,
  { timeout: 60_000 },
  () => {
    let engine: DockerEngine;
    const stages: DockerStage[] = [];
    beforeAll(async () => {
      engine = await startDockerEngine();
      await makeAgentImage(engine);
    });
    afterAll(() => engine.stop());
    afterEach(async () => {
      for (const stage of stages.splice(0)) await stage.close();
    });

    async function open(env: Record<string, string> = {}): Promise<DockerStage> {
      const stage = await openDockerStage(engine, env);
      stages.push(stage);
      return stage;
    }

    const untilExits = (stage: DockerStage, count = 1) =>
      vi.waitFor(() => {
        expect(stage.exits).toHaveLength(count);
        return stage.exits;
      }, PATIENCE);

    /** Ends the workload the way a fault would. */
    const kill = () => engine.docker.getContainer(CONTAINER).kill({ signal: 'SIGKILL' });

    it('a crash is told once, with what was printed last; the platform alone starts it again, and the log stays', async () => {
      const stage = await open();
      await stage.backend.start(dockerSpec('crash'));
      const [exit] = await untilExits(stage);
      expect(exit).toEqual({
        id: ID,
        code: 7,
        signal: null,
        reason: expect.stringContaining('it broke before it listened'),
      });
      await vi.waitFor(async () => expect(await stage.backend.isRunning(ID)).toEqual({ running: false }), PATIENCE);
      const { RestartCount, State } = await engine.docker.getContainer(CONTAINER).inspect();
      expect(State.Status).toBe('exited');
      // The engine's first waits are tenths of a second: it may have been faster a few times, not for ever.
      expect(RestartCount).toBeLessThan(5);
      expect(stage.exits).toHaveLength(1);
      expect((await stage.backend.readLog(ID, 10))?.lines).toContain('Error: it broke before it listened');
    });

    it('a refusal of the runtime is told in its own words', async () => {
      const stage = await open();
      await stage.backend.start(dockerSpec('refuse'));
      expect((await untilExits(stage))[0]).toMatchObject({ code: 1, reason: 'ANTHROPIC_API_KEY is not set' });
    });

    it('one that needed more memory than its tier has is told so', async () => {
      const stage = await open({ TIER2_MEMORY_MB: '32' });
      await stage.backend.start(dockerSpec('hog'));
      expect((await untilExits(stage))[0]).toMatchObject({
        id: ID,
        reason: expect.stringMatching(/more memory than tier 2 allows.*137.*TIER2_MEMORY_MB/),
      });
    });

    it('one that was killed by a signal says which', async () => {
      const stage = await open();
      await stage.backend.start(dockerSpec('silent'));
      await kill();
      expect((await untilExits(stage))[0]).toMatchObject({ code: null, signal: 'SIGKILL' });
    });

    it('whoever removes a container asked for its end: another replica, or a person', async () => {
      const stage = await open();
      await stage.backend.start(dockerSpec('silent'));
      const other = await open();
      await other.backend.adopt(async () => true);
      await stage.backend.stop(ID);
      // A crash afterwards shows that both still listen.
      await stage.backend.start(dockerSpec('crash', { id: OTHER_ID }));
      await untilExits(other);
      expect([...stage.exits, ...other.exits].map((exit) => exit.id)).toEqual([OTHER_ID, OTHER_ID]);
    });

    it('an end that came while the engine could not be heard is told when it can be again', async () => {
      const stage = await open();
      await stage.backend.start(dockerSpec('silent'));
      await stage.cutOff();
      await kill();
      await vi.waitFor(() => expect(stage.backend.supervise()).rejects.toThrow(), PATIENCE);
      await stage.mend();
      await stage.backend.supervise();
      expect((await untilExits(stage))[0]).toMatchObject({ id: ID, signal: 'SIGKILL' });
      await stage.backend.supervise();
      expect(stage.exits).toHaveLength(1);
    });

    it('a shutdown leaves workloads running; the next platform takes them over and hears of their end', async () => {
      const first = await open();
      await first.backend.start(dockerSpec('silent'));
      await first.backend.start(dockerSpec('silent', { id: OTHER_ID }));
      await first.backend.shutdown();
      const second = await open();
      const adopted = await second.backend.adopt(async (id) => id === ID);
      expect(adopted).toEqual({ kept: [ID], stale: [] });
      expect(await second.backend.isRunning(ID)).toEqual({ running: true });
      // What nobody wants is left to the sweep, which knows why.
      expect(await second.backend.isRunning(OTHER_ID)).toEqual({ running: true });
      await kill();
      expect((await untilExits(second))[0]).toMatchObject({ id: ID });
      expect(first.exits).toEqual([]);
    });

    it('what looks for the platform elsewhere is kept, and told to be stale', async () => {
      const first = await open();
      await first.backend.start(dockerSpec('silent'));
      await first.backend.shutdown();
      const moved = await openDockerStage(engine, {}, 'http://host.docker.internal:10');
      stages.push(moved);
      expect(await moved.backend.adopt(async () => true)).toEqual({ kept: [], stale: [ID] });
      expect(await moved.backend.isRunning(ID)).toEqual({ running: true });
    });

    it('a log longer than asked for says that it is cut', async () => {
      const { backend } = await open();
      await backend.start(dockerSpec('chatty'));
      await vi.waitFor(async () => {
        const log = await backend.readLog(ID, 5);
        expect(log).toEqual({ lines: ['line 25', 'line 26', 'line 27', 'line 28', 'line 29'], truncated: true });
      }, PATIENCE);
      expect(await backend.readLog(ID, 100)).toMatchObject({ truncated: false });
      expect(await backend.readLog(OTHER_ID, 100)).toEqual({ lines: [], truncated: false });
    });
  },
);
