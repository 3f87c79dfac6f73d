// Agents that ended by themselves. The platform alone decides about a restart, so the first end of a container is its last: the
// replica that manages to take the pod away tells of it, once, and keeps its last lines.

import type { V1Deployment, V1Pod } from '@kubernetes/client-node';
import type { Logger } from '../../../platform/log.ts';
import type { WorkloadExit } from '../../backend.ts';
import { explainExit } from '../process-log.ts';
import { asError, bounded, type Cluster, isConflict, isNotFound, orNull } from './cluster.ts';
import { AGENT, idOf, LAST_LOG_ANNOTATION, namesOf, START_LABEL, TIER_LABEL } from './manifests.ts';
import { type ContainerEnd, findEnd } from './pod-state.ts';

const REASON_LINES = 200;
const MOST_ANNOTATION_CHARS = 60_000;
const MOST_ATTEMPTS = 5;
/** Each start has its own id, so the set may forget old ones. */
const MOST_REMEMBERED = 10_000;

export const readDeployment = ({ apps, namespace }: Cluster, id: string): Promise<V1Deployment | null> =>
  orNull(apps.readNamespacedDeployment({ name: namesOf(id).base, namespace }));

/** Of the agent, oldest first; `previous` = of the container before this one. */
export async function readLines(
  { core, namespace }: Cluster,
  pod: string,
  lines: number,
  previous: boolean,
): Promise<string[]> {
  const text = await bounded(
    core.readNamespacedPodLog({
      name: pod,
      namespace,
      container: AGENT,
      tailLines: lines,
      ...(previous ? { previous } : {}),
    }),
  );
  return text.split('\n').filter((line) => line !== '');
}

function explain(lines: string[], end: ContainerEnd, pod: V1Pod): string {
  if (!end.outOfMemory) return explainExit({ lines, code: end.code, signal: end.signal });
  const tier = pod.metadata?.labels?.[TIER_LABEL] ?? '2';
  return `the agent needed more memory than tier ${tier} allows and was killed; raise its tier or TIER${tier}_MEMORY_MB`;
}

export interface PodEndsOptions {
  cluster(): Promise<Cluster>;
  onExit(exit: WorkloadExit): void;
  log: Logger;
}

export function createPodEnds({ cluster, onExit, log }: PodEndsOptions) {
  /** Starts whose end was told, or left to another replica. */
  const told = new Set<string>();
  let closed = false;

  /** @returns false when another replica did, or a newer start took its place. */
  async function takeAway(reached: Cluster, id: string, startId: string, lines: string[]): Promise<boolean> {
    for (let attempt = 1; ; attempt += 1) {
      const deployment = await readDeployment(reached, id);
      if (deployment?.metadata?.labels?.[START_LABEL] !== startId || !deployment.spec) return false;
      if (deployment.spec.replicas === 0 || deployment.metadata.deletionTimestamp) return false;
      deployment.spec.replicas = 0;
      deployment.metadata.annotations = {
        ...deployment.metadata.annotations,
        [LAST_LOG_ANNOTATION]: lines.join('\n').slice(-MOST_ANNOTATION_CHARS),
      };
      try {
        const { apps, namespace } = reached;
        await bounded(apps.replaceNamespacedDeployment({ name: namesOf(id).base, namespace, body: deployment }));
        return true;
      } catch (error) {
        if (isNotFound(error)) return false;
        if (!isConflict(error) || attempt >= MOST_ATTEMPTS) throw error;
      }
    }
  }

  async function settle(pod: V1Pod, end: ContainerEnd, startId: string): Promise<void> {
    const reached = await cluster();
    const id = idOf(pod);
    const lines = await readLines(reached, pod.metadata?.name ?? '', REASON_LINES, end.restarted).catch(
      (error: unknown) => {
        log.warn({ err: asError(error), workspace_id: id }, 'the log of an agent that ended cannot be read');
        return [];
      },
    );
    if (!(await takeAway(reached, id, startId, lines)) || closed) return;
    onExit({ id, code: end.code, signal: end.signal, reason: explain(lines, end, pod) });
  }

  return {
    /** Looks whether the agent of this pod ended. */
    notice(pod: V1Pod): void {
      const end = findEnd(pod);
      const startId = pod.metadata?.labels?.[START_LABEL];
      if (end === null || startId === undefined || closed || told.has(startId)) return;
      if (told.size >= MOST_REMEMBERED) told.clear();
      told.add(startId);
      settle(pod, end, startId).catch((error: unknown) => {
        // The next look at this pod tries again.
        told.delete(startId);
        log.error({ err: asError(error), workspace_id: idOf(pod) }, 'the end of an agent could not be settled');
      });
    },
    close(): void {
      closed = true;
    },
  };
}
