// What the status of a pod means (chapter 10 §7.5). Pure: the callers decide what to do about it.

import type { V1ContainerState, V1ContainerStatus, V1Deployment, V1Pod } from '@kubernetes/client-node';
import { AGENT, isPrivileged } from './manifests.ts';

export type StartState =
  | { kind: 'waiting' }
  /** Nothing has a place for it, which a growing cluster may still mend. */
  | { kind: 'unplaced'; reason: string }
  /** The agent ran, whatever became of it. */
  | { kind: 'started'; imageDigest: string | null }
  | { kind: 'refused'; reason: string };

export interface ContainerEnd {
  code: number | null;
  signal: string | null;
  outOfMemory: boolean;
  /** The container was made again meanwhile: its words are in the log before this one. */
  restarted: boolean;
}

const PULL_FAILURES = new Set(['ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull', 'ImageInspectError']);
const CREATE_FAILURES = new Set([
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
  'StartError',
]);
const SIGNAL_BASE = 128;
const SIGNALS: Readonly<Record<number, string>> = { 6: 'SIGABRT', 9: 'SIGKILL', 11: 'SIGSEGV', 15: 'SIGTERM' };

export const findAgent = (pod: V1Pod): V1ContainerStatus | undefined =>
  pod.status?.containerStatuses?.find(({ name }) => name === AGENT);
export const isAgentRunning = (pod: V1Pod): boolean =>
  pod.metadata?.deletionTimestamp === undefined && findAgent(pod)?.state?.running !== undefined;

const endOf = ({ state, lastState }: V1ContainerStatus): V1ContainerState['terminated'] =>
  state?.terminated ?? lastState?.terminated;

/** `docker.io/molecule/workspace-echo@sha256:…` */
const digestOf = (imageId: string): string | null => /sha256:[0-9a-f]{64}$/.exec(imageId)?.[0] ?? null;

function findRefusal(pod: V1Pod, image: string, runtime: string): string | null {
  for (const { name, state } of [
    ...(pod.status?.initContainerStatuses ?? []),
    ...(pod.status?.containerStatuses ?? []),
  ]) {
    const { reason = '', message = '' } = state?.waiting ?? {};
    if (PULL_FAILURES.has(reason))
      return `the image ${image} of runtime ${runtime} cannot be pulled: ${message || reason}`;
    if (CREATE_FAILURES.has(reason)) return `the cluster cannot run the agent: ${message || reason}`;
    const ended = state?.terminated;
    if (name !== AGENT && ended && ended.exitCode !== 0)
      return `its files could not be put in place (exit code ${ended.exitCode}): ${ended.message || ended.reason || 'no reason given'}`;
  }
  return null;
}

function findPlacement(pod: V1Pod): string | null {
  const scheduled = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status !== 'False' || scheduled.reason !== 'Unschedulable') return null;
  return `no node of the cluster can take the agent: ${scheduled.message ?? 'no reason given'}`;
}

/** What admission said of a pod that was never made. */
function findRejection(deployment: V1Deployment, tier: number): string | null {
  const failure = deployment.status?.conditions?.find(
    ({ type, status }) => type === 'ReplicaFailure' && status === 'True',
  );
  if (!failure) return null;
  const what = isPrivileged(tier)
    ? `tier ${tier} needs a privileged pod, which this cluster does not admit`
    : 'the cluster does not admit the pod of the agent';
  return `${what}: ${failure.message ?? failure.reason ?? 'no reason given'}`;
}

/** How far a start has come. `pods` are those of this start only. */
export function judgeStart(
  deployment: V1Deployment,
  pods: readonly V1Pod[],
  { tier, image, runtime }: { tier: number; image: string; runtime: string },
): StartState {
  for (const pod of pods) {
    const agent = findAgent(pod);
    if (agent && (agent.state?.running || endOf(agent)))
      return { kind: 'started', imageDigest: digestOf(agent.imageID ?? '') };
  }
  for (const pod of pods) {
    const refusal = findRefusal(pod, image, runtime);
    if (refusal !== null) return { kind: 'refused', reason: refusal };
  }
  const rejection = pods.length === 0 ? findRejection(deployment, tier) : null;
  if (rejection !== null) return { kind: 'refused', reason: rejection };
  const placement = pods.map(findPlacement).find((reason) => reason !== null);
  return placement ? { kind: 'unplaced', reason: placement } : { kind: 'waiting' };
}

/** The end of the agent's container; null while it has none, and when somebody asked for it. */
export function findEnd(pod: V1Pod): ContainerEnd | null {
  const agent = findAgent(pod);
  const end = agent && pod.metadata?.deletionTimestamp === undefined ? endOf(agent) : undefined;
  if (!agent || !end) return null;
  const signal = SIGNALS[end.signal ?? end.exitCode - SIGNAL_BASE] ?? null;
  return {
    code: signal === null ? end.exitCode : null,
    signal,
    outOfMemory: end.reason === 'OOMKilled',
    restarted: agent.state?.terminated === undefined,
  };
}
