// What a cluster does behind its API, as far as tests need it: a Deployment's pods come up as scripted, their init containers
// really run, volumes are folders of this machine, and an exec runs the program here with the pod's folders in place of its own.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { ApiObject, ObjectStore, Resource } from './kubernetes-api.ts';

export type PodScript =
  | { kind: 'run' }
  /** Stays pending with this reason of its container. */
  | { kind: 'waiting'; reason: string; message: string }
  | { kind: 'unschedulable'; message: string }
  /** Admission refuses the pod, so that none is made. */
  | { kind: 'forbidden'; message: string }
  | { kind: 'silent' };

export interface ContainerEnding {
  exitCode: number;
  reason?: string;
  signal?: number;
  log?: string;
  /** The cluster has started it again already. */
  restarted?: boolean;
}

export interface KubernetesPods {
  script(next: PodScript): void;
  /** Of the Deployment of a workspace: no helper is among them. */
  of(workspaceId: string): ApiObject[];
  /** A folder as the pods of a volume see it. */
  volume(claimName: string, ...path: string[]): string;
  log(pod: string, text: string): void;
  /** The agent's container ends by itself. */
  end(pod: ApiObject, ending: ContainerEnding): void;
  /** Sizes that terminals were told. */
  sizes: { Width: number; Height: number }[];
  reconcile(deployment: ApiObject): void;
  run(pod: ApiObject): void;
  remove(resource: Resource, object: ApiObject): void;
  readLog(pod: string, lines: number): string;
  exec(request: IncomingMessage, socket: Duplex, head: Buffer, pod: string, query: URLSearchParams): void;
  stop(): void;
}

interface Mount {
  mountPath: string;
  folder: string;
}

const DIGEST = `sha256:${'ab'.repeat(32)}`;
const STDOUT = 1;
const STDERR = 2;
const STATUS = 3;
const RESIZE = 4;
const now = () => new Date().toISOString();

export function createPods(objects: ObjectStore): KubernetesPods {
  const root = mkdtempSync(join(tmpdir(), 'molecule-cluster-'));
  const logs = new Map<string, string>();
  const children = new Set<ChildProcess>();
  const sizes: KubernetesPods['sizes'] = [];
  const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'v5.channel.k8s.io' });
  let script: PodScript = { kind: 'run' };

  const volume = (claim: string, ...path: string[]) => join(root, 'claims', claim, ...path);

  /** A Secret as a cluster mounts it: links into a folder of its version. */
  function mountSecret(
    pod: ApiObject,
    name: string,
    secret: { secretName: string; optional?: boolean; items?: { key: string; path: string }[] },
  ): string {
    const folder = join(root, 'pods', pod.metadata.uid, name);
    const stored = objects.get('secrets', secret.secretName);
    const versioned = join(folder, '..2026_01_01');
    mkdirSync(versioned, { recursive: true });
    symlinkSync('..2026_01_01', join(folder, '..data'));
    const tops = new Set<string>();
    for (const { key, path } of secret.items ?? []) {
      const value = stored?.data?.[key];
      if (value === undefined) continue;
      mkdirSync(dirname(join(versioned, path)), { recursive: true });
      writeFileSync(join(versioned, path), Buffer.from(value, 'base64'), { mode: 0o400 });
      tops.add(path.split('/')[0] ?? '');
    }
    for (const top of tops) symlinkSync(join('..data', top), join(folder, top));
    return folder;
  }

  function mountsOf(pod: ApiObject, container: ApiObject): Mount[] {
    return (container.volumeMounts ?? []).map(({ name, mountPath }: { name: string; mountPath: string }) => {
      // biome-ignore lint/suspicious/noExplicitAny: the volume of a pod, of any kind.
      const source = pod.spec.volumes.find((one: any) => one.name === name);
      const folder = source.persistentVolumeClaim
        ? volume(source.persistentVolumeClaim.claimName)
        : source.secret
          ? mountSecret(pod, `${container.name}-${name}`, source.secret)
          : join(root, 'pods', pod.metadata.uid, name);
      mkdirSync(folder, { recursive: true });
      return { mountPath, folder };
    });
  }

  /** Folders of the pod become those of this machine wherever one stands as a whole JSON text. */
  const translate = (text: string, mounts: Mount[]) =>
    mounts.reduce(
      (result, { mountPath, folder }) => result.replaceAll(JSON.stringify(mountPath), JSON.stringify(folder)),
      text,
    );

  function isAlive(pod: ApiObject): boolean {
    return objects.get('pods', pod.metadata.name)?.metadata.uid === pod.metadata.uid && !pod.metadata.deletionTimestamp;
  }

  function setStatus(pod: ApiObject, status: Record<string, unknown>): void {
    if (!isAlive(pod)) return;
    pod.status = { ...pod.status, ...status };
    objects.save('pods', pod);
  }

  const statusOf = (pod: ApiObject, state: Record<string, unknown>, more: Record<string, unknown> = {}) => ({
    name: pod.spec.containers[0].name,
    image: pod.spec.containers[0].image,
    imageID: `registry.example/agent@${DIGEST}`,
    restartCount: 0,
    ready: 'running' in state,
    state,
    ...more,
  });

  /** @returns how the init containers failed; null when they did not. */
  function initialise(pod: ApiObject): Record<string, unknown>[] | null {
    for (const container of pod.spec.initContainers ?? []) {
      const mounts = mountsOf(pod, container);
      const [, ...args] = [...container.command, ...(container.args ?? [])] as string[];
      const result = spawnSync(
        process.execPath,
        args.map((arg) => translate(arg, mounts)),
        { encoding: 'utf8' },
      );
      if (result.status !== 0)
        return [
          {
            name: container.name,
            state: { terminated: { exitCode: result.status ?? 1, reason: 'Error', message: result.stderr } },
          },
        ];
    }
    return null;
  }

  /** How far the script lets it come. */
  function comeUp(pod: ApiObject): Record<string, unknown> {
    if (script.kind === 'unschedulable') {
      const { message } = script;
      return {
        phase: 'Pending',
        conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }],
      };
    }
    if (script.kind === 'waiting') {
      const { reason, message } = script;
      return { phase: 'Pending', containerStatuses: [statusOf(pod, { waiting: { reason, message } })] };
    }
    if (script.kind === 'silent') return { phase: 'Pending' };
    for (const container of pod.spec.containers) mountsOf(pod, container);
    const failed = initialise(pod);
    if (failed) return { phase: 'Pending', initContainerStatuses: failed };
    return { phase: 'Running', containerStatuses: [statusOf(pod, { running: { startedAt: now() } })] };
  }

  function run(pod: ApiObject): void {
    pod.status = { phase: 'Pending' };
    objects.save('pods', pod);
    setImmediate(() => {
      if (isAlive(pod)) setStatus(pod, comeUp(pod));
    });
  }

  function dropPod(pod: ApiObject): void {
    pod.metadata.deletionTimestamp = now();
    objects.save('pods', pod);
    setImmediate(() => {
      if (objects.get('pods', pod.metadata.name)?.metadata.uid === pod.metadata.uid) objects.drop('pods', pod);
      settle();
    });
  }

  const ownedBy = (deployment: ApiObject) =>
    objects
      .list('pods')
      .filter(({ metadata }) => metadata.ownerReferences?.some(({ uid }) => uid === deployment.metadata.uid));

  const usersOf = (claim: string) =>
    objects
      .list('pods')
      // biome-ignore lint/suspicious/noExplicitAny: the volume of a pod, of any kind.
      .filter(({ spec }) => spec.volumes.some((one: any) => one.persistentVolumeClaim?.claimName === claim));

  /** What waited for pods to be gone. */
  function settle(): void {
    for (const deployment of objects.list('deployments'))
      if (deployment.metadata.deletionTimestamp && ownedBy(deployment).length === 0)
        objects.drop('deployments', deployment);
    for (const claim of objects.list('persistentvolumeclaims')) {
      if (!claim.metadata.deletionTimestamp || usersOf(claim.metadata.name).length > 0) continue;
      rmSync(volume(claim.metadata.name), { recursive: true, force: true });
      objects.drop('persistentvolumeclaims', claim);
    }
  }

  function reconcile(deployment: ApiObject): void {
    setImmediate(() => {
      const current = objects.get('deployments', deployment.metadata.name);
      if (!current || current.metadata.deletionTimestamp) return;
      const pods = ownedBy(current);
      if (current.spec.replicas === 0) return pods.forEach(dropPod);
      if (pods.length > 0) return;
      if (script.kind === 'forbidden') {
        const conditions = [
          { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: script.message },
        ];
        objects.save('deployments', { ...current, status: { conditions } });
        return;
      }
      const { template } = current.spec;
      const name = `${current.metadata.name}-${Math.random().toString(36).slice(2, 10)}`;
      run(
        objects.create('pods', {
          metadata: { ...template.metadata, name, ownerReferences: [{ uid: current.metadata.uid }] },
          spec: structuredClone(template.spec),
        }),
      );
    });
  }

  function remove(resource: Resource, object: ApiObject): void {
    if (resource === 'pods') {
      dropPod(object);
    } else if (resource === 'deployments') {
      object.metadata.deletionTimestamp ??= now();
      objects.save('deployments', object);
      for (const pod of ownedBy(object)) dropPod(pod);
      setImmediate(settle);
    } else if (resource === 'persistentvolumeclaims') {
      object.metadata.deletionTimestamp ??= now();
      objects.save('persistentvolumeclaims', object);
      setImmediate(settle);
    } else objects.drop(resource, object);
  }

  function serveExec(socket: WebSocket, pod: ApiObject, query: URLSearchParams): void {
    // biome-ignore lint/suspicious/noExplicitAny: a container of a pod.
    const container = pod.spec.containers.find((one: any) => one.name === query.get('container'));
    const mounts = mountsOf(pod, container);
    const [program = '', ...args] = query.getAll('command');
    const child = spawn(program === 'node' ? process.execPath : program, args, { stdio: 'pipe' });
    children.add(child);
    const send = (channel: number, bytes: Uint8Array) => socket.send(Buffer.concat([Buffer.from([channel]), bytes]));
    child.stdout.on('data', (bytes: Buffer) => send(STDOUT, bytes));
    child.stderr.on('data', (bytes: Buffer) => send(STDERR, bytes));
    child.stdin.on('error', () => {});
    child.on('close', (code) => {
      children.delete(child);
      const status = code === 0 ? { status: 'Success' } : { status: 'Failure', message: `exit code ${code}` };
      send(STATUS, Buffer.from(JSON.stringify(status)));
      socket.close();
    });
    socket.on('message', (message: Buffer) => {
      if (message[0] === RESIZE) sizes.push(resized(message.subarray(1)));
      else if (message[0] === 0)
        child.stdin.write(
          query.get('tty') === 'true' ? message.subarray(1) : translate(message.subarray(1).toString(), mounts),
        );
    });
    socket.on('close', () => child.kill('SIGHUP'));
  }

  const resized = (bytes: Buffer) => {
    const { width, height, Width, Height } = JSON.parse(bytes.toString());
    return { Width: Width ?? width, Height: Height ?? height };
  };

  return {
    script(next) {
      script = next;
    },
    of: (workspaceId) =>
      objects
        .list('pods')
        .filter(
          ({ metadata }) => metadata.ownerReferences && metadata.labels?.['molecule.workspace.id'] === workspaceId,
        ),
    volume,
    log: (pod, text) => void logs.set(pod, `${logs.get(pod) ?? ''}${text}`),
    sizes,
    end(pod, { exitCode, reason = 'Error', signal, log = '', restarted = false }) {
      logs.set(pod.metadata.name, log);
      const terminated = { exitCode, reason, ...(signal ? { signal } : {}), finishedAt: now() };
      setStatus(pod, {
        containerStatuses: [
          restarted
            ? statusOf(pod, { running: { startedAt: now() } }, { restartCount: 1, lastState: { terminated } })
            : statusOf(pod, { terminated }),
        ],
      });
    },
    reconcile,
    run,
    remove,
    readLog: (pod, lines) =>
      (logs.get(pod) ?? '')
        .split('\n')
        .slice(-lines - 1)
        .join('\n'),
    exec(request, socket, head, name, query) {
      const pod = objects.get('pods', name);
      if (pod?.status?.phase !== 'Running') throw new Error('the pod does not run');
      sockets.handleUpgrade(request, socket, head, (open) => serveExec(open, pod, query));
    },
    stop() {
      for (const child of children) child.kill('SIGKILL');
      sockets.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}
