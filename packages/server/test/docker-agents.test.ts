// Agents in containers, end to end: the runtime image that deploy/ builds, on a real engine, with a real platform around it.

import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DockerEngine, startDockerEngine, whyNoDockerEngine } from '@molecule/testkit/docker-engine';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { assembleContext, type ImagePart } from '../../../deploy/docker/context.ts';
import { containerOf, type DockerSeats, PATIENCE, startDockerSeats } from './docker-seats.ts';
import { IMAGE_PREFIX } from './docker-stage.ts';

const missing = whyNoDockerEngine();
const BASE = 'test/node:24';

async function buildImage(engine: DockerEngine, part: ImagePart, name: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'molecule-context-'));
  try {
    assembleContext(part, folder);
    await engine.build({ folder, dockerfile: 'Dockerfile', name, args: { BASE } });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe.skipIf(missing !== null)(
  `agents in containers${missing ? ` (skipped: ${missing})` : ''}`,
  { timeout: 60_000 },
  () => {
    let engine: DockerEngine;
    let seats: DockerSeats;
    beforeAll(async () => {
      engine = await startDockerEngine();
      await engine.makeNodeImage(BASE);
      await buildImage(engine, 'runtime', `${IMAGE_PREFIX}echo:latest`);
      seats = await startDockerSeats(engine);
    }, 300_000);
    afterAll(async () => {
      await seats?.stop();
      await engine?.stop();
    });

    const say = async (id: string, text: string) => {
      const response = await seats.admin.raw('POST', `/workspaces/${id}/a2a`, {
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          jsonrpc: '2.0',
          id: 1,
          method: 'message/send',
          params: { message: { role: 'user', messageId: crypto.randomUUID(), parts: [{ kind: 'text', text }] } },
        }),
      });
      return `${response.status} ${await response.text()}`;
    };

    it('an agent comes online in its container under the address that was published, answers, and can be read', async () => {
      const id = await seats.create();
      const { url } = await seats.until(id, 'online');
      const { NetworkSettings, Image } = await engine.docker.getContainer(containerOf(id)).inspect();
      expect(url).toBe(`http://127.0.0.1:${NetworkSettings.Ports['8000/tcp']?.[0]?.HostPort}`);
      expect(await say(id, 'hello container')).toMatch(/^200 .*hello container/);
      const found = await seats.db.pool.query('select runtime_image_digest from workspaces where id = $1', [id]);
      expect(found.rows[0]).toEqual({ runtime_image_digest: Image });
      const log = await seats.platform.provisioning.readLog(id, 50);
      expect(log?.lines.join('\n')).toContain('listening');
    });

    it('an agent on a read-only root works as well', async () => {
      const id = await seats.create({ tier: 1 });
      await seats.until(id, 'online');
      expect(await say(id, 'from the sandbox')).toMatch(/^200 .*from the sandbox/);
    });

    it('one that was killed is told offline and comes back in a new container', async () => {
      const id = await seats.create();
      await seats.until(id, 'online');
      const before = (await engine.docker.getContainer(containerOf(id)).inspect()).Id;
      await engine.docker.getContainer(containerOf(id)).kill();
      await vi.waitFor(
        () =>
          expect(seats.frames.filter((frame) => frame.workspace_id === id).map((frame) => frame.event)).toContain(
            'WORKSPACE_OFFLINE',
          ),
        PATIENCE,
      );
      await vi.waitFor(async () => {
        const now = await engine.docker.getContainer(containerOf(id)).inspect();
        expect(now.Id).not.toBe(before);
      }, PATIENCE);
      await seats.until(id, 'online');
      expect(await say(id, 'back again')).toMatch(/^200 .*back again/);
    });

    it('10.46 a deletion goes on when its caller is gone: neither container nor volume stays', async () => {
      const id = await seats.create();
      await seats.until(id, 'online');
      const headers = { authorization: `Bearer ${seats.adminToken}` };
      const deletion = request(`${seats.url}/workspaces/${id}?confirm=true`, { method: 'DELETE', headers });
      const answered = vi.fn();
      deletion.on('response', answered).on('error', () => {});
      deletion.end();
      // The rows go first; by then the containers are still to come.
      await vi.waitFor(
        () => expect(seats.frames).toContainEqual(expect.objectContaining({ event: 'WORKSPACE_REMOVED' })),
        PATIENCE,
      );
      deletion.destroy();
      expect(answered).not.toHaveBeenCalled();
      await vi.waitFor(async () => {
        const containers = await engine.docker.listContainers({ all: true });
        expect(containers.flatMap((one) => one.Names)).not.toContain(`/${containerOf(id)}`);
        const names = ((await engine.docker.listVolumes()).Volumes ?? []).map((volume) => volume.Name);
        expect(names.filter((name) => name.includes(id.slice(0, 12)))).toEqual([]);
      }, PATIENCE);
    });

    it('the image of the platform serves its canvas', async () => {
      await buildImage(engine, 'platform', 'test/platform:latest');
      const container = await engine.docker.createContainer({
        Image: 'test/platform:latest',
        Env: ['ADMIN_TOKEN=a-long-random-text-for-the-test'],
        ExposedPorts: { '8080/tcp': {} },
        HostConfig: { NetworkMode: 'molecule-net', PortBindings: { '8080/tcp': [{ HostIp: '127.0.0.1' }] } },
      });
      await container.start();
      const { NetworkSettings } = await container.inspect();
      const url = `http://127.0.0.1:${NetworkSettings.Ports['8080/tcp']?.[0]?.HostPort}`;
      const get = (path: string) =>
        fetch(`${url}${path}`, { headers: { authorization: 'Bearer a-long-random-text-for-the-test' } });
      await vi.waitFor(async () => expect((await get('/health')).status).toBe(200), {
        timeout: 120_000,
        interval: 100,
      });
      expect(await (await get('/')).text()).toMatch(/<div id="app"/);
      await container.remove({ force: true });
    }, 180_000);
  },
);
