// The kubernetes backend against an API server that keeps the semantics it relies on (packages/testkit/src/kubernetes-api.ts), or
// against a real cluster when KUBECONFIG names one: then what has to be scripted is left out.

import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type KubernetesServer, startKubernetesApi } from '@molecule/testkit';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { describeBackendContract } from '../../../../test/backend-contract.ts';
import { readConfig } from '../../../config.ts';
import { createLog } from '../../../platform/log.ts';
import {
  type Backend,
  OvertakenError,
  StartRefusedError,
  type WorkloadExit,
  type WorkloadSpec,
} from '../../backend.ts';
import { FilePathError } from '../../file-store.ts';
import { createKubernetesBackend } from './kubernetes.ts';

const REAL = process.env.KUBECONFIG || null;
// Pods of a real cluster take seconds to come and go.
if (REAL) vi.setConfig({ testTimeout: 300_000, hookTimeout: 300_000 });
const ID = '6b9b6a3e-6a51-4d8c-9f7b-0a5e6a3d1c11';
const OTHER = '7b9b6a3e-6a52-4d8c-9f7b-0a5e6a3d1c12';
const NAME = 'ws-6b9b6a3e-6a5';
const PLATFORM = 'http://platform.molecule:8080';

interface Stage {
  backend: Backend;
  server: KubernetesServer;
  exits: WorkloadExit[];
  spec(changes?: Partial<WorkloadSpec>): WorkloadSpec;
}

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function spec(changes: Partial<WorkloadSpec> = {}): WorkloadSpec {
  return {
    id: ID,
    name: 'Seat',
    runtime: 'echo',
    tier: 2,
    workspaceDir: null,
    workspaceAccess: 'none',
    imageDigest: null,
    env: { A_KEY: 'value', WORKSPACE_ID: 'not-mine' },
    files: { 'config.yaml': 'name: Seat\n', 'prompts/a.md': 'hello' },
    authToken: 'the-token',
    inboundSecret: 'the-secret',
    resetSession: false,
    publish: async () => {},
    record: async () => {},
    ...changes,
  };
}

/** A backend of its own, as a replica of the platform would have it. */
function connect(kubeconfig: string, platformUrl = PLATFORM): { backend: Backend; exits: WorkloadExit[] } {
  const exits: WorkloadExit[] = [];
  const config = readConfig({
    PATH: '/bin',
    ...(process.env.MOLECULE_IMAGE_PREFIX ? { MOLECULE_IMAGE_PREFIX: process.env.MOLECULE_IMAGE_PREFIX } : {}),
  });
  const backend = createKubernetesBackend({
    kubeconfig,
    namespace: process.env.MOLECULE_K8S_NAMESPACE || null,
    imagePrefix: config.imagePrefix,
    caps: config.docker.tierCaps,
    platformUrl: () => platformUrl,
    log: createLog(process.env.MOLECULE_TEST_LOG ?? 'silent'),
    onExit: (exit) => exits.push(exit),
  });
  cleanups.push(() => backend.shutdown());
  return { backend, exits };
}

async function openServer(): Promise<{ server: KubernetesServer; kubeconfig: string }> {
  const server = await startKubernetesApi();
  const folder = mkdtempSync(join(tmpdir(), 'molecule-kubeconfig-'));
  const kubeconfig = join(folder, 'config');
  writeFileSync(kubeconfig, server.kubeconfig);
  cleanups.push(async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  });
  return { server, kubeconfig };
}

async function open(): Promise<Stage & { kubeconfig: string }> {
  const { server, kubeconfig } = await openServer();
  return { server, kubeconfig, spec, ...connect(kubeconfig) };
}

const podOf = ({ server }: Stage) => {
  const pod = server.pods.of(ID).find(({ metadata }) => !metadata.deletionTimestamp);
  if (!pod) throw new Error('no pod');
  return pod;
};
const untilExits = (stage: Stage, count: number) =>
  vi.waitFor(() => expect(stage.exits).toHaveLength(count), { timeout: 10_000, interval: 10 });

describeBackendContract(REAL ? 'kubernetes (a real cluster)' : 'kubernetes', async () => {
  const close = async (backend: Backend) => {
    for (const id of [ID, OTHER]) {
      await backend.stop(id).catch(() => {});
      await backend.removeVolumes(id).catch(() => {});
    }
    await backend.shutdown();
  };
  if (REAL) {
    const { backend, exits } = connect(REAL);
    return { backend, exits, spec, close: () => close(backend) };
  }
  const { server, kubeconfig } = await openServer();
  const { backend, exits } = connect(kubeconfig);
  return {
    backend,
    exits,
    spec,
    cutOff: async () => server.failAll(500),
    close: async () => {
      server.failAll(null);
      await close(backend);
    },
  };
});

describe.skipIf(REAL)('a workload in a cluster', () => {
  it('is one Deployment and one Service under its short name, with its credentials in place before it runs', async () => {
    const stage = await open();
    const published: string[] = [];
    const recorded: unknown[] = [];
    await stage.backend.start(
      spec({ publish: async (url) => void published.push(url), record: async (facts) => void recorded.push(facts) }),
    );
    expect(published).toEqual([`http://${NAME}.agents:8000`]);
    expect(recorded).toEqual([{ imageDigest: `sha256:${'ab'.repeat(32)}` }]);
    const deployment = stage.server.objects.get('deployments', NAME);
    expect(deployment?.spec).toMatchObject({ replicas: 1, strategy: { type: 'Recreate' } });
    expect(deployment?.metadata.labels).toMatchObject({
      'molecule.platform.managed': 'true',
      'molecule.workspace.id': ID,
    });
    expect(stage.server.objects.get('services', NAME)?.spec.selector).toMatchObject({ 'molecule.workspace.id': ID });
    const { spec: pod } = podOf(stage);
    // No token of the cluster, and no host, for an agent.
    expect(pod).toMatchObject({ automountServiceAccountToken: false, enableServiceLinks: false });
    expect(pod).not.toHaveProperty('hostPID');
    const agent = pod.containers[0];
    expect(agent).toMatchObject({
      image: 'molecule/workspace-echo:latest',
      imagePullPolicy: 'Always',
      resources: { limits: { memory: '512Mi', cpu: '1' } },
      securityContext: { allowPrivilegeEscalation: false, seccompProfile: { type: 'RuntimeDefault' } },
    });
    // No value of the environment stands in the Deployment.
    expect(JSON.stringify(deployment)).not.toContain('the-token');
    const secret = stage.server.objects.get('secrets', `${NAME}-start`);
    const stored = (key: string) => Buffer.from(secret?.data[key] ?? '', 'base64').toString();
    for (const variable of agent.env)
      expect(variable.valueFrom.secretKeyRef).toEqual({ name: `${NAME}-start`, key: `env.${variable.name}` });
    expect(
      ['A_KEY', 'WORKSPACE_ID', 'PLATFORM_URL', 'PORT', 'TIER', 'WORKSPACE_CONFIG_PATH'].map((name) =>
        stored(`env.${name}`),
      ),
    ).toEqual(['value', ID, PLATFORM, '8000', '2', '/configs']);
    const file = (path: string) => stage.server.pods.volume(`${NAME}-configs`, path);
    expect(
      ['.auth_token', '.platform_inbound_secret', 'prompts/a.md'].map((path) => readFileSync(file(path), 'utf8')),
    ).toEqual(['the-token', 'the-secret', 'hello']);
    expect(statSync(file('.auth_token')).mode & 0o777).toBe(0o600);
  });

  it('a tier is its limits and its rights; tier 1 sees its configuration only', async () => {
    const stage = await open();
    const pods = [];
    for (const tier of [1, 3, 4]) {
      await stage.backend.start(spec({ tier }));
      pods.push(podOf(stage).spec);
      await stage.backend.stop(ID);
    }
    const [first, third, fourth] = pods;
    expect(first.containers[0].securityContext.readOnlyRootFilesystem).toBe(true);
    expect(first.containers[0].volumeMounts.map(({ mountPath }: { mountPath: string }) => mountPath)).toEqual([
      '/configs',
      '/tmp',
    ]);
    expect(first.volumes).toContainEqual({ name: 'tmp', emptyDir: { medium: 'Memory', sizeLimit: '64Mi' } });
    expect(third).toMatchObject({ hostPID: true, containers: [{ securityContext: { privileged: true } }] });
    expect(third).not.toHaveProperty('hostNetwork');
    expect(third.containers[0].resources.limits).toEqual({ memory: '2048Mi', cpu: '2' });
    expect(fourth).toMatchObject({ hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' });
    expect(fourth.containers[0].resources.limits).toEqual({ memory: '4096Mi', cpu: '4' });
  });

  it('a pod that is made again keeps what the agent changed; the next start writes what it was given', async () => {
    const stage = await open();
    await stage.backend.start(spec());
    const config = stage.server.pods.volume(`${NAME}-configs`, 'config.yaml');
    writeFileSync(config, 'name: changed by the agent\n');
    const before = podOf(stage).metadata.uid;
    const deployment = stage.server.objects.get('deployments', NAME);
    stage.server.pods.remove('pods', podOf(stage));
    await vi.waitFor(() => {
      if (deployment) stage.server.pods.reconcile(deployment);
      expect(podOf(stage).metadata.uid).not.toBe(before);
      expect(podOf(stage).status.phase).toBe('Running');
    });
    expect(readFileSync(config, 'utf8')).toBe('name: changed by the agent\n');
    await stage.backend.stop(ID);
    expect(await stage.backend.readConfigFile(ID, 'config.yaml')).toBe('name: changed by the agent\n');
    await stage.backend.start(spec({ files: {} }));
    expect(readFileSync(config, 'utf8')).toBe('name: changed by the agent\n');
    await stage.backend.start(spec({ files: { 'config.yaml': 'name: new\n' } }));
    expect(readFileSync(config, 'utf8')).toBe('name: new\n');
  });

  it('files written before the first start wait for it, and are not written twice', async () => {
    const stage = await open();
    await stage.backend.writeFiles(ID, { 'prompts/one.md': '1', 'config.yaml': 'name: early\n' });
    await stage.backend.writeFiles(ID, { 'prompts/two.md': '2' });
    expect(await stage.backend.readConfigFile(ID, 'prompts/one.md')).toBe('1');
    await stage.backend.start(spec({ files: {} }));
    const file = (path: string) => stage.server.pods.volume(`${NAME}-configs`, path);
    expect(readFileSync(file('prompts/one.md'), 'utf8') + readFileSync(file('prompts/two.md'), 'utf8')).toBe('12');
    expect(stage.server.objects.get('secrets', `${NAME}-pending`)).toBeUndefined();
    writeFileSync(file('prompts/one.md'), 'changed');
    await stage.backend.start(spec({ files: {} }));
    expect(readFileSync(file('prompts/one.md'), 'utf8')).toBe('changed');
  });

  it('no link leads out of its folders, and what it keeps for itself is not shown', async () => {
    const stage = await open();
    const { files } = stage.backend;
    if (!files) throw new Error('no file store');
    await stage.backend.start(spec());
    const outside = mkdtempSync(join(tmpdir(), 'molecule-outside-'));
    cleanups.push(() => rmSync(outside, { recursive: true }));
    writeFileSync(join(outside, 'secret'), 'not for agents');
    symlinkSync(outside, stage.server.pods.volume(`${NAME}-configs`, 'link'));
    expect((await files.list(ID, '/configs', '', 3)).map(({ path }) => path).sort()).toEqual([
      '.auth_token',
      '.platform_inbound_secret',
      'config.yaml',
      'prompts',
      'prompts/a.md',
    ]);
    expect(await files.list(ID, '/configs', 'link', 1)).toEqual([]);
    expect(await files.read(ID, '/configs', 'link/secret', 100)).toBeNull();
    await expect(files.write(ID, { 'fine.md': 'x', 'link/secret': 'changed' })).rejects.toBeInstanceOf(FilePathError);
    expect(await files.read(ID, '/configs', 'fine.md', 100)).toBeNull();
    await expect(files.write(ID, { 'config.yaml/below': 'x' })).rejects.toThrow();
    expect(await files.remove(ID, 'link/secret')).toBe(false);
    expect(readFileSync(join(outside, 'secret'), 'utf8')).toBe('not for agents');
  });

  it('forgets the conversations of its framework when it is told to, and nothing else', async () => {
    const stage = await open();
    const spoken = stage.server.pods.volume(`${NAME}-claude-sessions`, 'one.jsonl');
    const work = stage.server.pods.volume(`${NAME}-workspace`, 'kept');
    await stage.backend.start(spec({ runtime: 'claude-code' }));
    writeFileSync(spoken, 'spoken');
    writeFileSync(work, 'done');
    await stage.backend.start(spec({ runtime: 'claude-code' }));
    expect(readFileSync(spoken, 'utf8')).toBe('spoken');
    await stage.backend.start(spec({ runtime: 'claude-code', resetSession: true }));
    expect(existsSync(spoken)).toBe(false);
    expect(readFileSync(work, 'utf8')).toBe('done');
  });
});

describe.skipIf(REAL)('a start that cannot succeed', () => {
  const cases: [string, Parameters<KubernetesServer['script']>[0], Partial<WorkloadSpec>, RegExp][] = [
    [
      'an image that cannot be pulled',
      { kind: 'waiting', reason: 'ImagePullBackOff', message: 'not found in the registry' },
      {},
      /image molecule\/workspace-echo:latest of runtime echo cannot be pulled: not found in the registry/,
    ],
    [
      'a container that cannot be made',
      { kind: 'waiting', reason: 'CreateContainerConfigError', message: 'secret "x" not found' },
      {},
      /cannot run the agent: secret "x" not found/,
    ],
    [
      'a privileged tier that is not admitted',
      { kind: 'forbidden', message: 'violates PodSecurity "baseline:latest": privileged' },
      { tier: 3 },
      /tier 3 needs a privileged pod, which this cluster does not admit: violates PodSecurity/,
    ],
    [
      'a quota',
      { kind: 'forbidden', message: 'exceeded quota' },
      {},
      /does not admit the pod of the agent: exceeded quota/,
    ],
  ];
  it.each(cases)('%s is told, and nothing is left', async (_name, script, changes, reason) => {
    const stage = await open();
    stage.server.script(script);
    const error = await stage.backend.start(spec(changes)).then(
      () => null,
      (failure: Error) => failure,
    );
    expect(error).toBeInstanceOf(StartRefusedError);
    expect(error?.message).toMatch(reason);
    expect(stage.server.objects.get('deployments', NAME)).toBeUndefined();
    expect(stage.server.objects.get('secrets', `${NAME}-start`)).toBeUndefined();
    expect(await stage.backend.isRunning(ID)).toEqual({ running: false });
  });

  it('no room on any node is told when the time of the start is over', async () => {
    const stage = await open();
    stage.server.script({ kind: 'unschedulable', message: '0/3 nodes are available: insufficient memory' });
    const clock = vi.spyOn(performance, 'now');
    const began = performance.now();
    const started = stage.backend.start(spec());
    await vi.waitFor(() => expect(podOf(stage).status.phase).toBe('Pending'));
    clock.mockImplementation(() => began + 200_000);
    await expect(started).rejects.toThrow(/no node of the cluster can take the agent: 0\/3 nodes are available/);
    clock.mockRestore();
  });

  it('what the API refuses (403, 422) is told in its own words; a folder of the host is refused here', async () => {
    const stage = await open();
    for (const status of [403, 422]) {
      stage.server.failOnce('create deployments', status, 'admission webhook denied the request');
      await expect(stage.backend.start(spec())).rejects.toThrow(
        new StartRefusedError('the cluster refused the agent: admission webhook denied the request'),
      );
    }
    const large = { 'config.yaml': 'x'.repeat(1_100_000) };
    await expect(stage.backend.start(spec({ files: large }))).rejects.toThrow(/refused the agent: .*Too long/);
    await expect(stage.backend.start(spec({ workspaceDir: '/srv/x' }))).rejects.toThrow(/workspace_dir names a folder/);
    expect(stage.server.objects.get('deployments', NAME)).toBeUndefined();
  });

  it('a stop that comes meanwhile wins, and so does a newer start', async () => {
    const stage = await open();
    await expect(stage.backend.start(spec({ publish: () => stage.backend.stop(ID) }))).rejects.toThrow(OvertakenError);
    expect(stage.server.objects.list('deployments')).toEqual([]);
    // In the moment before the Deployment is made, when there is nothing to be stopped yet.
    stage.server.before('create deployments', () => stage.backend.stop(ID));
    await expect(stage.backend.start(spec())).rejects.toThrow(OvertakenError);
    expect([...stage.server.objects.list('deployments'), ...stage.server.objects.list('secrets')]).toEqual([]);
    stage.server.script({ kind: 'silent' });
    const first = stage.backend.start(spec()).then(
      () => null,
      (failure: Error) => failure,
    );
    await vi.waitFor(() => expect(podOf(stage).status.phase).toBe('Pending'));
    stage.server.script({ kind: 'run' });
    await stage.backend.start(spec({ env: { NEWER: '1' } }));
    expect(await first).toBeInstanceOf(OvertakenError);
    expect(await stage.backend.isRunning(ID)).toEqual({ running: true });
    expect(stage.server.objects.get('secrets', `${NAME}-start`)?.data).toHaveProperty(['env.NEWER']);
  });
});

describe.skipIf(REAL)('versions of objects', () => {
  it('409 is looked at again, on a create and on a replace; it is given up only after several', async () => {
    const stage = await open();
    stage.server.failOnce('create services', 409, 'already exists');
    stage.server.failOnce('create deployments', 409, 'object is being deleted');
    await stage.backend.start(spec());
    stage.server.failOnce('update services', 409, 'the object has been modified');
    await stage.backend.start(spec());
    expect(await stage.backend.isRunning(ID)).toEqual({ running: true });
    await stage.backend.stop(ID);
    for (let time = 0; time < 5; time += 1)
      stage.server.failOnce('update services', 409, 'the object has been modified');
    await expect(stage.backend.start(spec())).rejects.toMatchObject({ statusCode: 409 });
  });

  it('410 on a page begins the listing again', async () => {
    const stage = await open();
    for (let n = 0; n < 450; n += 1) {
      const id = `${String(n).padStart(8, '0')}-0000-4000-8000-000000000000`;
      stage.server.objects.create('persistentvolumeclaims', {
        metadata: {
          name: `claim-${n}`,
          labels: { 'molecule.platform.managed': 'true', 'molecule.workspace.id': id },
        } as never,
      });
    }
    stage.server.failOnce('list persistentvolumeclaims', 410, 'The provided continue parameter is too old', 1);
    expect(new Set(await stage.backend.listManaged()).size).toBe(450);
    // One page, the refusal, and all three pages anew.
    expect(stage.server.requests.filter((line) => line === 'list persistentvolumeclaims')).toHaveLength(5);
  });

  it('a watch goes on from its version after it ended, and lists again when that version is gone', async () => {
    const stage = await open();
    await stage.backend.start(spec());
    const count = (request: string) => stage.server.requests.filter((line) => line === request).length;
    await stage.backend.supervise();
    const before = [count('list pods'), count('watch pods')];
    expect(stage.server.endWatches()).toBe(1);
    // The crash falls into the gap.
    stage.server.pods.end(podOf(stage), { exitCode: 3, log: 'Error: it broke\n' });
    await vi.waitFor(async () => {
      await stage.backend.supervise();
      expect(stage.exits).toHaveLength(1);
    });
    expect([count('list pods'), count('watch pods')]).toEqual([before[0], (before[1] ?? 0) + 1]);

    await stage.backend.start(spec());
    stage.server.endWatches();
    stage.server.expireHistory();
    stage.server.pods.end(podOf(stage), { exitCode: 4, log: 'Error: again\n' });
    await vi.waitFor(async () => {
      await stage.backend.supervise();
      expect(stage.exits).toHaveLength(2);
    });
    expect(stage.exits.map(({ code }) => code)).toEqual([3, 4]);
  });
});

describe.skipIf(REAL)('an agent that ends by itself', () => {
  it('is told once among replicas, with its last words, and its pod is taken away until the platform decides', async () => {
    const stage = await open();
    const second = connect(stage.kubeconfig);
    await stage.backend.start(spec());
    await second.backend.supervise();
    await stage.backend.supervise();
    stage.server.pods.end(podOf(stage), { exitCode: 7, log: 'starting\nError: the key was refused\n' });
    await vi.waitFor(() => expect(stage.exits.length + second.exits.length).toBe(1), 10_000);
    await vi.waitFor(() => expect(stage.server.pods.of(ID)).toEqual([]));
    // Both had their look; the other one found it taken away.
    await Promise.all([stage.backend.supervise(), second.backend.supervise()]);
    const [exit] = [...stage.exits, ...second.exits];
    expect(exit).toMatchObject({ id: ID, code: 7, signal: null });
    expect(exit?.reason).toContain('the key was refused');
    expect(stage.exits.length + second.exits.length).toBe(1);
    expect(await stage.backend.isRunning(ID)).toEqual({ running: false });
    expect(await stage.backend.readLog(ID, 1)).toEqual({ lines: ['Error: the key was refused'], truncated: true });
    await stage.backend.start(spec());
    expect(await stage.backend.isRunning(ID)).toEqual({ running: true });
  });

  it('out of memory is said with what to raise; a signal is a signal; a container that was started again had its own words', async () => {
    const stage = await open();
    await stage.backend.start(spec());
    await stage.backend.supervise();
    stage.server.pods.end(podOf(stage), { exitCode: 137, reason: 'OOMKilled' });
    await untilExits(stage, 1);
    expect(stage.exits[0]).toMatchObject({ code: null, signal: 'SIGKILL' });
    expect(stage.exits[0]?.reason).toMatch(/more memory than tier 2 allows.*TIER2_MEMORY_MB/);
    await stage.backend.start(spec());
    stage.server.pods.end(podOf(stage), { exitCode: 1, log: 'Error: no model\n', restarted: true });
    await untilExits(stage, 2);
    expect(stage.exits[1]).toMatchObject({ code: 1, reason: expect.stringContaining('no model') });
    // A stop that was asked for is no news.
    await stage.backend.start(spec());
    await stage.backend.stop(ID);
    await stage.backend.supervise();
    expect(stage.exits).toHaveLength(2);
  });

  it('one that ended while no platform watched is found by the next one', async () => {
    const stage = await open();
    await stage.backend.start(spec());
    await stage.backend.shutdown();
    stage.server.pods.end(podOf(stage), { exitCode: 5, log: 'Error: alone\n' });
    const later = connect(stage.kubeconfig);
    await later.backend.adopt(async () => true);
    await vi.waitFor(() => expect(later.exits).toMatchObject([{ id: ID, code: 5 }]), 10_000);
    expect(stage.exits).toEqual([]);
  });
});

describe.skipIf(REAL)('what an earlier platform left running', () => {
  it('is kept, kept as stale when it looks for another address, or ended when nobody wants it', async () => {
    const stage = await open();
    await stage.backend.start(spec());
    await stage.backend.start(spec({ id: OTHER }));
    await stage.backend.shutdown();
    expect(await stage.backend.isRunning(ID)).toEqual({ running: true });
    const moved = connect(stage.kubeconfig, 'http://elsewhere:8080').backend;
    expect(await moved.adopt(async (id) => id === ID)).toEqual({ kept: [], stale: [ID] });
    expect(await moved.isRunning(OTHER)).toEqual({ running: false });
    expect(await connect(stage.kubeconfig).backend.adopt(async () => true)).toEqual({ kept: [ID], stale: [] });
  });

  it('a cluster that does not answer keeps no platform from starting', async () => {
    const stage = await open();
    stage.server.failAll(503);
    expect(await stage.backend.adopt(async () => true)).toEqual({ kept: [], stale: [] });
    await expect(stage.backend.supervise()).rejects.toThrow();
    await expect(stage.backend.listManaged()).rejects.toThrow();
  });
});

describe.skipIf(REAL)('a shell beside an agent', () => {
  it('passes bytes both ways unchanged, and tells the terminal its size', async () => {
    const stage = await open();
    expect(await stage.backend.openTerminal?.(ID, { cols: 80, rows: 24 })).toBeNull();
    await stage.backend.start(spec());
    const terminal = await stage.backend.openTerminal?.(ID, { cols: 80, rows: 24 });
    if (!terminal) throw new Error('no terminal');
    const received: Buffer[] = [];
    terminal.onData((bytes) => received.push(Buffer.from(bytes)));
    terminal.resize({ cols: 132, rows: 43 });
    await vi.waitFor(() =>
      expect(stage.server.pods.sizes).toEqual([
        { Width: 80, Height: 24 },
        { Width: 132, Height: 43 },
      ]),
    );
    terminal.write(Buffer.from(`printf '\\377\\000ä'\n`));
    await vi.waitFor(() => expect(Buffer.concat(received)).toEqual(Buffer.from([0xff, 0, 0xc3, 0xa4])), 10_000);
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    terminal.onEnd(resolve);
    terminal.write(Buffer.from('exit\n'));
    await ended;
  });
});
