// The folders of a workload in a cluster (chapter 30 §3.4): through its own pod while that runs, else through a helper that holds
// the same volumes for a while. What was written before there is any volume waits in a Secret for the next start.

import type { V1Pod } from '@kubernetes/client-node';
import { pause } from '../../../platform/deadline.ts';
import { FilePathError, type FileStore, FileTooLargeError, HIDDEN_NAMES } from '../../file-store.ts';
import { bounded, type Cluster, isConflict, isNotFound, orNull, put } from './cluster.ts';
import {
  AGENT,
  FILES,
  IMAGE_ANNOTATION,
  namesOf,
  planHelper,
  planPending,
  ROLE_LABEL,
  START_MARK,
  unpackFiles,
  WORKSPACE_LABEL,
} from './manifests.ts';
import { type Place, runScript } from './pod-exec.ts';
import { listScript, readScript, removeScript, writeScript } from './pod-scripts.ts';
import { isAgentRunning } from './pod-state.ts';

const HELPER_MS = 60_000;
const LOOK_EVERY_MS = 250;
/** A listing ends here, like that of the other backends. */
const MOST_ENTRIES = 20_000;
const MOST_CONFIG_BYTES = 10 * 1024 * 1024;

export function createPodFiles(open: () => Promise<Cluster>) {
  async function findAgentPod({ core, namespace }: Cluster, id: string): Promise<V1Pod | null> {
    const labelSelector = `${WORKSPACE_LABEL}=${id},${ROLE_LABEL}=${AGENT}`;
    const { items } = await bounded(core.listNamespacedPod({ namespace, labelSelector }));
    return items.find(isAgentRunning) ?? null;
  }

  async function findClaims({ core, namespace }: Cluster, id: string): Promise<string[]> {
    const list = core.listNamespacedPersistentVolumeClaim({ namespace, labelSelector: `${WORKSPACE_LABEL}=${id}` });
    return (await bounded(list)).items.map(({ metadata }) => metadata?.name ?? '');
  }

  async function deleteHelper({ core, namespace }: Cluster, id: string): Promise<void> {
    const name = namesOf(id).helper;
    await orNull(core.deleteNamespacedPod({ name, namespace, gracePeriodSeconds: 0 }));
  }

  async function createHelper(cluster: Cluster, id: string, image: string, claims: string[]): Promise<void> {
    try {
      const body = planHelper(id, image, claims);
      await bounded(cluster.core.createNamespacedPod({ namespace: cluster.namespace, body }));
    } catch (error) {
      // Another reader made it, or the last one is still going.
      if (!isConflict(error)) throw error;
    }
  }

  /** @throws when it does not come up in time; the pod's own words say why. */
  async function untilHelperRuns(cluster: Cluster, id: string, image: string, claims: string[]): Promise<Place> {
    const { core, namespace } = cluster;
    const name = namesOf(id).helper;
    const until = performance.now() + HELPER_MS;
    for (;;) {
      const pod = await orNull(core.readNamespacedPod({ name, namespace }));
      const phase = pod?.metadata?.deletionTimestamp ? 'Leaving' : pod?.status?.phase;
      if (phase === 'Running') return { pod: name, container: FILES };
      if (pod === null) await createHelper(cluster, id, image, claims);
      else if (phase === 'Failed' || phase === 'Succeeded') await deleteHelper(cluster, id);
      if (performance.now() > until)
        throw new Error(
          `the volumes of ${id} could not be reached: ${JSON.stringify(pod?.status?.containerStatuses?.[0]?.state ?? phase)}`,
        );
      await pause(LOOK_EVERY_MS);
    }
  }

  /** Where its folders can be reached; null when it has none. */
  async function findPlace(cluster: Cluster, id: string): Promise<Place | null> {
    const pod = await findAgentPod(cluster, id);
    if (pod?.metadata?.name) return { pod: pod.metadata.name, container: AGENT };
    const names = namesOf(id);
    const claims = await findClaims(cluster, id);
    if (!claims.includes(names.configs)) return null;
    const service = await orNull(
      cluster.core.readNamespacedService({ name: names.base, namespace: cluster.namespace }),
    );
    const image = service?.metadata?.annotations?.[IMAGE_ANNOTATION];
    return image ? await untilHelperRuns(cluster, id, image, claims) : null;
  }

  async function readPending({ core, namespace }: Cluster, id: string) {
    return await orNull(core.readNamespacedSecret({ name: namesOf(id).pending, namespace }));
  }

  async function keepForStart(cluster: Cluster, id: string, files: Record<string, string>): Promise<void> {
    const { core, namespace } = cluster;
    const name = namesOf(id).pending;
    const earlier = await readPending(cluster, id);
    const body = planPending(id, { ...(earlier ? unpackFiles(earlier) : {}), ...files });
    await put(body, {
      create: (secret) => core.createNamespacedSecret({ namespace, body: secret }),
      read: () => core.readNamespacedSecret({ name, namespace }),
      replace: (secret) => core.replaceNamespacedSecret({ name, namespace, body: secret }),
    });
  }

  async function writeAt(cluster: Cluster, place: Place, files: Record<string, string>): Promise<void> {
    const refused = await runScript(cluster, place, writeScript, { root: '/configs', files });
    if (refused !== null) throw new FilePathError(refused);
  }

  const store: FileStore = {
    source: async (id) => ((await findAgentPod(await open(), id)) ? 'container' : 'volume'),
    async list(id, root, path, depth) {
      const cluster = await open();
      const place = await findPlace(cluster, id);
      if (!place) return [];
      return await runScript(cluster, place, listScript, {
        root,
        path,
        depth,
        hidden: [...HIDDEN_NAMES, START_MARK],
        most: MOST_ENTRIES,
      });
    },
    async read(id, root, path, limitBytes) {
      const cluster = await open();
      const place = await findPlace(cluster, id);
      if (!place) return null;
      const found = await runScript(cluster, place, readScript, { root, path, limit: limitBytes });
      if (typeof found === 'number') throw new FileTooLargeError(limitBytes);
      return found === null ? null : Buffer.from(found, 'base64');
    },
    async write(id, files) {
      const cluster = await open();
      const place = await findPlace(cluster, id);
      if (place) await writeAt(cluster, place, files);
      else await keepForStart(cluster, id, files);
    },
    async remove(id, path) {
      const cluster = await open();
      const place = await findPlace(cluster, id);
      return place ? await runScript(cluster, place, removeScript, { root: '/configs', path }) : false;
    },
  };

  return {
    store,
    findAgentPod,
    readPending,
    deleteHelper,
    /** Into the running agent's configuration, else kept for its next start. */
    async writeFiles(id: string, files: Record<string, string>): Promise<void> {
      const cluster = await open();
      const pod = await findAgentPod(cluster, id);
      if (pod?.metadata?.name) await writeAt(cluster, { pod: pod.metadata.name, container: AGENT }, files);
      else await keepForStart(cluster, id, files);
    },
    async readConfigFile(id: string, path: string): Promise<string | null> {
      const cluster = await open();
      const pending = await readPending(cluster, id);
      const waiting = pending ? unpackFiles(pending)[path] : undefined;
      if (waiting !== undefined) return waiting;
      const bytes = await store.read(id, '/configs', path, MOST_CONFIG_BYTES);
      return bytes === null ? null : Buffer.from(bytes).toString();
    },
    /** The start has them now. What was written since then waits for the next one. */
    async forgetPending({ core, namespace }: Cluster, id: string, resourceVersion: string | undefined): Promise<void> {
      const name = namesOf(id).pending;
      try {
        const body = resourceVersion === undefined ? {} : { preconditions: { resourceVersion } };
        await bounded(core.deleteNamespacedSecret({ name, namespace, body }));
      } catch (error) {
        if (!isNotFound(error) && !isConflict(error)) throw error;
      }
    },
  };
}

export type PodFiles = ReturnType<typeof createPodFiles>;
