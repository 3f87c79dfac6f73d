// A platform whose agents are containers of an engine of its own, and what a test asks of them.

import type { EventFrame } from '@molecule/contract';
import { type StartOptions, startPlatform, type TestPlatform } from '@molecule/testkit';
import type { DockerEngine } from '@molecule/testkit/docker-engine';
import { expect, vi } from 'vitest';
import { IMAGE_PREFIX } from './docker-stage.ts';

export const PATIENCE = { timeout: 30_000, interval: 50 };

type CreateBody = Parameters<TestPlatform['admin']['createWorkspace']>[0]['body'];
type WorkspaceRow = Awaited<ReturnType<TestPlatform['admin']['listWorkspaces']>>[number];

export interface DockerSeats extends TestPlatform {
  frames: EventFrame[];
  /** A seat of tier 2 unless told otherwise. */
  create(body?: Partial<CreateBody>): Promise<string>;
  row(id: string): Promise<WorkspaceRow>;
  until(id: string, status: string): Promise<WorkspaceRow>;
  /** Resolves when its container runs. */
  untilRunning(id: string): Promise<void>;
  /** One pass of a background loop, now. */
  run(loop: string): Promise<Record<string, number>>;
}

export const containerOf = (id: string) => `ws-${id.slice(0, 12)}`;

/** Listens where containers can reach it. */
export async function startDockerSeats(engine: DockerEngine, options: StartOptions = {}): Promise<DockerSeats> {
  const test = await startPlatform({
    ...options,
    env: {
      MOLECULE_PROVISIONER: 'docker',
      DOCKER_HOST: engine.host,
      MOLECULE_IN_DOCKER: '0',
      MOLECULE_IMAGE_PREFIX: IMAGE_PREFIX,
      HOST: '0.0.0.0',
      ...options.env,
    },
  });
  const frames: EventFrame[] = [];
  test.platform.events.subscribe((frame) => frames.push(frame));
  const row = async (id: string) => {
    const found = (await test.admin.listWorkspaces()).find((one) => one.id === id);
    if (!found) throw new Error(`no live workspace ${id}`);
    return found;
  };
  return {
    ...test,
    frames,
    row,
    async create(body = {}) {
      const name = `seat ${Math.random().toString(36).slice(2, 8)}`;
      return (await test.admin.createWorkspace({ body: { name, runtime: 'echo', tier: 2, ...body } })).id;
    },
    until: (id, status) =>
      vi.waitFor(async () => {
        const found = await row(id);
        expect(`${found.status} ${found.status === status ? '' : found.last_sample_error}`.trim()).toBe(status);
        return found;
      }, PATIENCE),
    async untilRunning(id) {
      await vi.waitFor(async () => {
        const { State } = await engine.docker.getContainer(containerOf(id)).inspect();
        expect(State.Running).toBe(true);
      }, PATIENCE);
    },
    async run(name) {
      const loop = test.platform.provisioning.loops.find((one) => one.name === name);
      if (!loop) throw new Error(`no loop ${name}`);
      return await loop.run(AbortSignal.timeout(loop.timeoutMs));
    },
  };
}
