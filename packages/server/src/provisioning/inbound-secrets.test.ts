// Every start stores an inbound secret before anything runs, whichever backend it is for and whoever asked for it (chapter 10 §7.3).

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  answerStatus,
  type KubernetesServer,
  startControlPlane,
  startKubernetesApi,
  startPlatform,
  type TestPlatform,
} from '@molecule/testkit';
import { type DockerEngine, startDockerEngine, whyNoDockerEngine } from '@molecule/testkit/docker-engine';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { IMAGE_PREFIX, makeAgentImage } from '../../test/docker-stage.ts';
import { SCRIPTED_AGENT } from '../../test/process-seats.ts';

const PATIENCE = { timeout: 15_000, interval: 20 };
const cleanups: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function openCluster(): Promise<{ server: KubernetesServer; env: Record<string, string> }> {
  const server = await startKubernetesApi();
  const folder = mkdtempSync(join(tmpdir(), 'molecule-kubeconfig-'));
  writeFileSync(join(folder, 'config'), server.kubeconfig);
  cleanups.push(
    () => rmSync(folder, { recursive: true }),
    () => server.stop(),
  );
  return { server, env: { KUBECONFIG: join(folder, 'config') } };
}

async function openControlPlane(): Promise<Record<string, string>> {
  const server = await startControlPlane();
  cleanups.push(() => server.stop());
  // Machines that never come up are enough: the secret is stored before one is asked for.
  server.fail('provision', answerStatus(500));
  return { MOLECULE_CP_URL: server.url };
}

async function openEngine(): Promise<Record<string, string>> {
  const engine: DockerEngine = await startDockerEngine();
  cleanups.push(() => engine.stop());
  await makeAgentImage(engine);
  return { DOCKER_HOST: engine.host, MOLECULE_IN_DOCKER: '0', MOLECULE_IMAGE_PREFIX: IMAGE_PREFIX, HOST: '0.0.0.0' };
}

const NO_ENGINE = whyNoDockerEngine();
/** Their workloads run and never register: a start there is over when somebody says so. */
const SILENT = ['kubernetes', 'docker'];
const BACKENDS = ['process', 'docker', 'kubernetes', 'control-plane'] as const;
const ENVIRONMENTS: Record<(typeof BACKENDS)[number], () => Promise<Record<string, string>>> = {
  process: async () => ({}),
  docker: openEngine,
  kubernetes: async () => (await openCluster()).env,
  'control-plane': openControlPlane,
};

async function open(backend: string, env: Record<string, string>): Promise<TestPlatform> {
  const test = await startPlatform({
    agentCommand: SCRIPTED_AGENT,
    env: {
      MOLECULE_PROVISIONER: backend,
      MOLECULE_PROVISION_CONCURRENCY: '0',
      ...env,
    },
  });
  cleanups.push(() => test.stop());
  return test;
}

const prompts = { 'config.yaml': 'runtime: echo' };
const BUNDLE = { name: 'Root', prompts, sub_workspaces: [{ name: 'Below', prompts }] };

/** Does something and waits until the seat has a new secret for it. */
async function renews(test: TestPlatform, id: string, act: () => Promise<unknown>): Promise<void> {
  // A start in progress would hand on the old one.
  await vi.waitFor(async () => {
    await test.db.kysely
      .updateTable('workspaces')
      .set({ platform_inbound_secret: null })
      .where('id', '=', id)
      .execute();
    expect((await test.platform.workspaces.get(id))?.status).not.toBe('provisioning');
  }, PATIENCE);
  await act();
  await vi.waitFor(
    async () => expect((await test.platform.workspaces.get(id))?.platform_inbound_secret).toMatch(/^[\w-]{43}$/),
    PATIENCE,
  );
}

// Platforms that start and stop agents, on a machine that may be busy.
describe('the inbound secret', { timeout: 120_000 }, () => {
  it.for(BACKENDS)('10.60 is stored by every path to a start on %s', async (backend, { skip }) => {
    if (backend === 'docker') skip(NO_ENGINE !== null, NO_ENGINE ?? undefined);
    const test = await open(backend, await ENVIRONMENTS[backend]());
    const stored = (id: string) =>
      vi.waitFor(async () => {
        const secret = (await test.platform.workspaces.get(id))?.platform_inbound_secret;
        expect(secret).toMatch(/^[\w-]{43}$/);
        return secret;
      }, PATIENCE);
    const { id } = await test.admin.createWorkspace({ body: { name: 'Created', runtime: 'echo' } });
    await stored(id);
    await test.admin.importOrg({
      body: { template: { name: 'Team', workspaces: [{ name: 'Imported', runtime: 'echo' }] } },
    });
    const imported = (await test.admin.listWorkspaces()).find(({ name }) => name === 'Imported')?.id ?? '';
    await stored(imported);
    const bundled = await test.admin.importBundle({ body: BUNDLE });
    await stored(bundled.workspace_id ?? '');
    await stored(bundled.children?.[0]?.workspace_id ?? '');

    const settle = async () => {
      if (SILENT.includes(backend)) await test.admin.bootstrapFailed({ params: { id }, body: { error: 'not wanted' } });
      await vi.waitFor(
        async () => expect((await test.platform.workspaces.get(id))?.status).not.toBe('provisioning'),
        PATIENCE,
      );
    };
    await settle();
    await renews(test, id, async () => {
      await test.admin.pauseWorkspace({ params: { id } });
      await test.admin.resumeWorkspace({ params: { id } });
    });
    await settle();
    await renews(test, id, () => test.admin.restartWorkspace({ params: { id } }));
    await settle();
    await renews(test, id, () => test.admin.saveSecret({ params: { id }, body: { key: 'NEW_KEY', value: 'value' } }));
    await settle();
    // An agent that comes online by itself, whatever became of the start, can be put to sleep; a restart wakes it.
    const { auth_token: token } = await test.admin.createToken({ params: { id } });
    await test.client(token).register({ body: { id, agent_card: { name: 'agent' }, delivery_mode: 'poll' } });
    await test.admin.hibernateWorkspace({ params: { id }, query: { force: true } });
    await renews(test, id, () => test.admin.restartWorkspace({ params: { id } }));
  });
});

describe('a platform on a cluster', { timeout: 60_000 }, () => {
  it('a seat finds its token in its files and comes online with it; its crash is told, and it is started again', async () => {
    const { server, env } = await openCluster();
    const test = await open('kubernetes', env);
    const { id } = await test.admin.createWorkspace({
      body: { name: 'Seat', runtime: 'echo', secrets: { A_KEY: 'value' } },
    });
    const base = `ws-${id.slice(0, 12)}`;
    const seen = new Set<string>();
    const findNewPod = () =>
      vi.waitFor(() => {
        const pod = server.pods
          .of(id)
          .find(({ metadata, status }) => !seen.has(metadata.uid) && status?.phase === 'Running');
        if (!pod) throw new Error('no new pod');
        seen.add(pod.metadata.uid);
        return pod;
      }, PATIENCE);
    const url = `http://${base}.agents:8000`;
    const register = async () => {
      const pod = await findNewPod();
      const token = readFileSync(server.pods.volume(`${base}-configs`, '.auth_token'), 'utf8');
      const body = { id, agent_card: { name: 'pod' }, delivery_mode: 'push' as const, url };
      await test.client(token).register({ body });
      return pod;
    };
    const pod = await register();
    const row = await test.platform.workspaces.get(id);
    expect(row).toMatchObject({ status: 'online', url, url_source: 'provisioner' });
    await vi.waitFor(
      async () => expect((await test.platform.workspaces.get(id))?.runtime_image_digest).toMatch(/^sha256:/),
      PATIENCE,
    );
    expect(await test.admin.getWorkspaceLogs({ params: { id } })).toEqual({ lines: [], truncated: false });

    const supervision = test.platform.provisioning.loops.find(({ name }) => name === 'workload-supervision');
    await supervision?.run(AbortSignal.timeout(10_000));
    server.pods.end(pod, { exitCode: 9, log: 'Error: value was refused\n' });
    await vi.waitFor(async () => {
      const { status, last_sample_error } = (await test.platform.workspaces.get(id)) ?? {};
      expect([status, last_sample_error]).toEqual(['offline', expect.stringContaining('Error:')]);
    }, PATIENCE);
    // The platform does so by itself, after a pause that grows with every crash.
    await register();
    expect((await test.platform.workspaces.get(id))?.status).toBe('online');
    await test.admin.deleteWorkspace({ params: { id } });
    await vi.waitFor(() => {
      for (const resource of ['pods', 'deployments', 'services', 'secrets', 'persistentvolumeclaims'] as const)
        expect(server.objects.list(resource)).toEqual([]);
    }, PATIENCE);
  });
});
