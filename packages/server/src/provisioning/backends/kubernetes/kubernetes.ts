// The `kubernetes` backend: one Deployment of one replica and one Service per workspace, volumes that outlive both (chapter 10
// §7.5). Every replica of the platform sees every workload; what must happen once is decided by the version of an object.

import { randomUUID } from 'node:crypto';
import type { V1Deployment } from '@kubernetes/client-node';
import type { DockerSettings } from '../../../config.ts';
import { pause } from '../../../platform/deadline.ts';
import type { Logger } from '../../../platform/log.ts';
import {
  type Backend,
  OvertakenError,
  StartRefusedError,
  type WorkloadExit,
  type WorkloadSpec,
} from '../../backend.ts';
import { imageOf } from '../image-reference.ts';
import {
  asError,
  bounded,
  type Cluster,
  type ClusterOptions,
  createCluster,
  isConflict,
  isRefused,
  listAll,
  orNull,
  put,
} from './cluster.ts';
import {
  AGENT,
  AGENT_PORT,
  idOf,
  LAST_LOG_ANNOTATION,
  namesOf,
  PATHS_ANNOTATION,
  PLATFORM_LABEL,
  packFiles,
  planClaims,
  planDeployment,
  planService,
  planStartSecret,
  SELECTOR,
  START_LABEL,
  unpackFiles,
  WORKSPACE_LABEL,
  type WorkloadPlan,
} from './manifests.ts';
import { createPodEnds, readDeployment, readLines } from './pod-ends.ts';
import { openPodTerminal } from './pod-exec.ts';
import { createPodFiles } from './pod-files.ts';
import { judgeStart } from './pod-state.ts';
import { createPodWatch } from './pod-watch.ts';

/** Within the three minutes a start may take (chapter 10 §7.1). A pull may take longer: then the deadline of the start decides. */
const START_MS = 150_000;
const STOP_MS = 45_000;
const LOOK_EVERY_MS = 500;
const MOST_ATTEMPTS = 5;
const PAGE = 200;

export interface KubernetesBackendOptions extends ClusterOptions {
  imagePrefix: string;
  caps: DockerSettings['tierCaps'];
  platformUrl(): string;
  log: Logger;
  onExit(exit: WorkloadExit): void;
}

export function createKubernetesBackend(options: KubernetesBackendOptions): Backend {
  const { log, onExit } = options;
  const open = createCluster(options);
  const files = createPodFiles(open);
  const ends = createPodEnds({ cluster: open, onExit, log });
  const watch = createPodWatch({ cluster: open, onPod: ends.notice, log });
  /** Starts in progress; replaced or gone = the start was overtaken and must not go on. */
  const starting = new Map<string, string>();
  let closed = false;

  /** Wakes early when a pod changes. Without a watch it just looks more often. */
  async function untilChange(): Promise<void> {
    await watch.ensureOpen().catch((error: unknown) => log.debug({ err: error }, 'the pods cannot be watched'));
    await Promise.race([watch.nextChange(), pause(LOOK_EVERY_MS)]);
  }

  /** Foreground: the Deployment stays until its pods are gone, so that its absence is the proof. */
  async function stopWorkload(cluster: Cluster, id: string): Promise<void> {
    const { apps, core, namespace } = cluster;
    const names = namesOf(id);
    await orNull(apps.deleteNamespacedDeployment({ name: names.base, namespace, propagationPolicy: 'Foreground' }));
    const until = performance.now() + STOP_MS;
    while ((await readDeployment(cluster, id)) !== null) {
      if (performance.now() > until) throw new Error(`the pod of ${id} does not end`);
      await untilChange();
    }
    await orNull(core.deleteNamespacedSecret({ name: names.start, namespace }));
  }

  async function deleteClaim({ core, namespace }: Cluster, name: string): Promise<void> {
    const until = performance.now() + STOP_MS;
    await orNull(core.deleteNamespacedPersistentVolumeClaim({ name, namespace }));
    while ((await orNull(core.readNamespacedPersistentVolumeClaim({ name, namespace }))) !== null) {
      if (performance.now() > until) throw new Error(`the volume ${name} is still in use`);
      await untilChange();
    }
  }

  async function prepare(cluster: Cluster, plan: WorkloadPlan): Promise<void> {
    const { core, namespace } = cluster;
    const { id, resetSession } = plan.spec;
    await files.deleteHelper(cluster, id);
    if (resetSession) await deleteClaim(cluster, namesOf(id).sessions);
    for (const body of planClaims(plan)) {
      try {
        await bounded(core.createNamespacedPersistentVolumeClaim({ namespace, body }));
      } catch (error) {
        if (!isConflict(error)) throw error;
      }
    }
    const name = namesOf(id).base;
    await put(planService(plan), {
      create: (body) => core.createNamespacedService({ namespace, body }),
      read: () => core.readNamespacedService({ name, namespace }),
      replace: (body) => core.replaceNamespacedService({ name, namespace, body }),
    });
  }

  async function createDeployment(cluster: Cluster, body: V1Deployment, id: string): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        await bounded(cluster.apps.createNamespacedDeployment({ namespace: cluster.namespace, body }));
        return;
      } catch (error) {
        // Another replica was quicker, or the last one is still going: the newest start counts.
        if (!isConflict(error) || attempt >= MOST_ATTEMPTS) throw error;
        await stopWorkload(cluster, id);
      }
    }
  }

  function assertCurrent({ spec, startId }: WorkloadPlan): void {
    if (closed || starting.get(spec.id) !== startId) throw new OvertakenError('the start was overtaken');
  }

  /** Resolves when the agent ran, or while its image still comes. @throws StartRefusedError with the cluster's reason. */
  async function untilStarted(cluster: Cluster, plan: WorkloadPlan): Promise<string | null> {
    const { core, namespace } = cluster;
    const { id, tier, runtime } = plan.spec;
    const labelSelector = `${WORKSPACE_LABEL}=${id},${START_LABEL}=${plan.startId}`;
    const until = performance.now() + START_MS;
    for (;;) {
      assertCurrent(plan);
      const deployment = await readDeployment(cluster, id);
      if (deployment?.metadata?.labels?.[START_LABEL] !== plan.startId)
        throw new OvertakenError('the start was overtaken');
      const { items } = await bounded(core.listNamespacedPod({ namespace, labelSelector }));
      const state = judgeStart(deployment, items, { tier, runtime, image: plan.image });
      if (state.kind === 'started') return state.imageDigest;
      if (state.kind === 'refused') throw new StartRefusedError(state.reason);
      if (performance.now() > until) {
        if (state.kind === 'unplaced') throw new StartRefusedError(state.reason);
        return null;
      }
      await untilChange();
    }
  }

  async function launch(cluster: Cluster, plan: WorkloadPlan): Promise<void> {
    const { core, namespace } = cluster;
    const { spec } = plan;
    await stopWorkload(cluster, spec.id);
    await prepare(cluster, plan);
    await spec.publish(`http://${namesOf(spec.id).base}.${namespace}:${AGENT_PORT}`);
    assertCurrent(plan);
    const pending = await files.readPending(cluster, spec.id);
    const secret = planStartSecret(plan);
    const name = namesOf(spec.id).start;
    await put(secret, {
      create: (body) => core.createNamespacedSecret({ namespace, body }),
      read: () => core.readNamespacedSecret({ name, namespace }),
      replace: (body) => core.replaceNamespacedSecret({ name, namespace, body }),
    });
    const startPaths = JSON.parse(secret.metadata?.annotations?.[PATHS_ANNOTATION] ?? '[]') as string[];
    const pendingPaths = pending ? packFiles(unpackFiles(pending)).paths : [];
    await createDeployment(cluster, planDeployment(plan, startPaths, pendingPaths), spec.id);
    const imageDigest = await untilStarted(cluster, plan);
    if (imageDigest !== null) await spec.record({ imageDigest });
    if (pending && imageDigest !== null) await files.forgetPending(cluster, spec.id, pending.metadata?.resourceVersion);
  }

  /** Also after a stop, which may have come before there was anything to stop; a newer start looks after the workload itself. */
  async function clearAway(cluster: Cluster, { spec, startId }: WorkloadPlan): Promise<void> {
    if ((starting.get(spec.id) ?? startId) !== startId) return;
    const deployment = await readDeployment(cluster, spec.id);
    if ((deployment?.metadata?.labels?.[START_LABEL] ?? startId) === startId) await stopWorkload(cluster, spec.id);
  }

  async function start(spec: WorkloadSpec): Promise<void> {
    if (closed) throw new OvertakenError('the platform is stopping');
    if (spec.workspaceDir !== null)
      throw new StartRefusedError(
        'workspace_dir names a folder of one machine, which an agent in a cluster does not have',
      );
    const plan: WorkloadPlan = {
      spec,
      startId: randomUUID(),
      image: imageOf(options.imagePrefix, spec.runtime, spec.imageDigest),
      platformUrl: options.platformUrl(),
      caps: options.caps,
    };
    starting.set(spec.id, plan.startId);
    const cluster = await open();
    try {
      await launch(cluster, plan);
      log.info({ workspace_id: spec.id, tier: spec.tier, image: plan.image }, 'agent pod started');
    } catch (error) {
      await clearAway(cluster, plan).catch((failure: unknown) =>
        log.error({ err: failure, workspace_id: spec.id }, 'what a failed start left behind could not be deleted'),
      );
      if (isRefused(error)) throw new StartRefusedError(`the cluster refused the agent: ${asError(error).message}`);
      throw error;
    } finally {
      if (starting.get(spec.id) === plan.startId) starting.delete(spec.id);
    }
  }

  async function stop(id: string): Promise<void> {
    starting.delete(id);
    await stopWorkload(await open(), id);
  }

  async function listDeployments({ apps, namespace }: Cluster): Promise<V1Deployment[]> {
    return await listAll((next) =>
      apps.listNamespacedDeployment({
        namespace,
        labelSelector: SELECTOR,
        limit: PAGE,
        ...(next ? { _continue: next } : {}),
      }),
    );
  }

  return {
    name: 'kubernetes',
    scope: 'shared',
    deliversTokens: true,
    probe: { everyMs: 15_000, parallel: 8 },
    start,
    stop,
    async isRunning(id) {
      if (starting.has(id)) return { running: true };
      try {
        const deployment = await readDeployment(await open(), id);
        return { running: deployment !== null && deployment.spec?.replicas !== 0 };
      } catch (error) {
        return { running: true, error: asError(error) };
      }
    },
    writeFiles: files.writeFiles,
    readConfigFile: files.readConfigFile,
    async readLog(id, lines) {
      const cluster = await open();
      const pod = await files.findAgentPod(cluster, id);
      const deployment = pod ? null : await readDeployment(cluster, id);
      const all = pod?.metadata?.name
        ? await readLines(cluster, pod.metadata.name, lines + 1, false)
        : (deployment?.metadata?.annotations?.[LAST_LOG_ANNOTATION] ?? '').split('\n').filter((line) => line !== '');
      return { lines: all.slice(-lines), truncated: all.length > lines };
    },
    async listManaged() {
      const cluster = await open();
      const { core, namespace } = cluster;
      const claims = await listAll((next) =>
        core.listNamespacedPersistentVolumeClaim({
          namespace,
          labelSelector: SELECTOR,
          limit: PAGE,
          ...(next ? { _continue: next } : {}),
        }),
      );
      return [...new Set([...(await listDeployments(cluster)), ...claims].map(idOf))].filter(Boolean);
    },
    async removeVolumes(id) {
      const cluster = await open();
      const { core, namespace } = cluster;
      const names = namesOf(id);
      await files.deleteHelper(cluster, id);
      await orNull(core.deleteNamespacedService({ name: names.base, namespace }));
      await orNull(core.deleteNamespacedSecret({ name: names.pending, namespace }));
      for (const name of [names.configs, names.workspace, names.sessions]) await deleteClaim(cluster, name);
    },
    async adopt(mayKeep) {
      const adopted = { kept: [] as string[], stale: [] as string[] };
      try {
        await watch.ensureOpen();
        for (const deployment of await listDeployments(await open())) {
          const id = idOf(deployment);
          if (deployment.spec?.replicas === 0 || starting.has(id)) continue;
          if (!(await mayKeep(id))) await stop(id);
          else if (deployment.metadata?.annotations?.[PLATFORM_LABEL] === options.platformUrl()) adopted.kept.push(id);
          else adopted.stale.push(id);
        }
      } catch (error) {
        // The platform serves without its cluster; the sweeps find out when it is back.
        log.error({ err: asError(error) }, 'the cluster could not be reached at the start');
      }
      return adopted;
    },
    async supervise() {
      await watch.ensureOpen();
      const pods = watch.list();
      // Ends that could not be settled when they were seen.
      for (const pod of pods) ends.notice(pod);
      return pods.length;
    },
    // The cluster keeps and cuts logs.
    rotateLogs: async () => 0,
    async shutdown() {
      closed = true;
      starting.clear();
      ends.close();
      watch.close();
    },
    async openTerminal(id, size) {
      const cluster = await open();
      const pod = await files.findAgentPod(cluster, id);
      return pod?.metadata?.name
        ? await openPodTerminal(cluster, { pod: pod.metadata.name, container: AGENT }, size)
        : null;
    },
    files: files.store,
  };
}
