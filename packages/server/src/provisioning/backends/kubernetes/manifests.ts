// What a workspace is made of in a cluster (chapter 10 §7.5): Deployment, Service, Secrets, volumes, and the helper that reaches
// the volumes of a stopped one. Pure: the cluster is not asked anything here.

import type {
  V1Container,
  V1Deployment,
  V1PersistentVolumeClaim,
  V1Pod,
  V1PodSpec,
  V1Secret,
  V1SecurityContext,
  V1Service,
  V1Volume,
  V1VolumeMount,
} from '@kubernetes/client-node';
import type { DockerSettings } from '../../../config.ts';
import type { WorkloadSpec } from '../../backend.ts';
import { isMoving } from '../image-reference.ts';
import {
  AGENT_PORT,
  labelsOf,
  MANAGED_LABEL,
  PLATFORM_LABEL,
  shortId,
  TIER_LABEL,
  WORKSPACE_LABEL,
} from '../workload-names.ts';
import { initSource } from './pod-scripts.ts';

export { AGENT_PORT, PLATFORM_LABEL, TIER_LABEL, WORKSPACE_LABEL } from '../workload-names.ts';

/** Which start a pod belongs to. */
export const START_LABEL = 'molecule.workspace.start';
export const ROLE_LABEL = 'molecule.workspace.part';
export const IMAGE_ANNOTATION = 'molecule.workspace.image';
/** The last lines of an agent that ended: its pod, and with it its log, is gone. */
export const LAST_LOG_ANNOTATION = 'molecule.workspace.last-log';
/** Index → path of the files in a Secret, whose own keys hold no slashes. */
export const PATHS_ANNOTATION = 'molecule.workspace.paths';

/** Says which start was the last to put its files into `/configs`. */
export const START_MARK = '.molecule-start';

export const AGENT = 'agent';
export const FILES = 'files';
export const SELECTOR = `${MANAGED_LABEL}=true`;
const SESSION_FOLDER = '/root/.claude/sessions';
const START_FOLDER = '/molecule/start';
const PENDING_FOLDER = '/molecule/pending';
const SHARES_PER_CPU = 1024;
const END_GRACE_SECONDS = 10;
/** A helper ends by itself when nobody asks for files any more. */
export const HELPER_SECONDS = 600;

export const namesOf = (id: string) => {
  const base = `ws-${shortId(id)}`;
  return {
    base,
    start: `${base}-start`,
    pending: `${base}-pending`,
    configs: `${base}-configs`,
    sessions: `${base}-claude-sessions`,
    workspace: `${base}-workspace`,
    helper: `${base}-files`,
  };
};

export interface WorkloadPlan {
  spec: WorkloadSpec;
  startId: string;
  image: string;
  platformUrl: string;
  /** Tier 1, and a tier nobody knows, get no more than tier 2. */
  caps: DockerSettings['tierCaps'];
}

export const idOf = ({ metadata }: { metadata?: { labels?: Record<string, string> } }): string =>
  metadata?.labels?.[WORKSPACE_LABEL] ?? '';
const keepsSessions = (runtime: string) => runtime === 'claude-code';
export const isPrivileged = (tier: number) => tier === 3 || tier === 4;
const claim = (name: string, claimName: string): V1Volume => ({ name, persistentVolumeClaim: { claimName } });

/** Files as keys of a Secret: `f0`, `f1`, … in the order of their paths. */
export function packFiles(files: Readonly<Record<string, string>>): { data: Record<string, string>; paths: string[] } {
  const paths = Object.keys(files).sort();
  return { paths, data: Object.fromEntries(paths.map((path, index) => [`f${index}`, files[path] ?? ''])) };
}

export function unpackFiles({ metadata, data }: V1Secret): Record<string, string> {
  const paths = JSON.parse(metadata?.annotations?.[PATHS_ANNOTATION] ?? '[]') as string[];
  return Object.fromEntries(
    paths.map((path, index) => [path, Buffer.from(data?.[`f${index}`] ?? '', 'base64').toString()]),
  );
}

export function planPending(id: string, files: Readonly<Record<string, string>>): V1Secret {
  const { data, paths } = packFiles(files);
  return {
    metadata: {
      name: namesOf(id).pending,
      labels: labelsOf(id),
      annotations: { [PATHS_ANNOTATION]: JSON.stringify(paths) },
    },
    stringData: data,
  };
}

/** What names the seat, its folders and the platform comes last: no secret can replace it. */
function environmentOf({ spec, platformUrl }: WorkloadPlan): Record<string, string> {
  return {
    PYTHONPATH: '/app',
    ...spec.env,
    WORKSPACE_ID: spec.id,
    WORKSPACE_CONFIG_PATH: '/configs',
    PLUGINS_DIR: '/plugins',
    PLATFORM_URL: platformUrl,
    MOLECULE_URL: platformUrl,
    TIER: String(spec.tier),
    PORT: String(AGENT_PORT),
    ...(spec.resetSession ? { WORKSPACE_RESET_SESSION: '1' } : {}),
  };
}

/** Credentials, environment and files of one start. */
export function planStartSecret(plan: WorkloadPlan): V1Secret {
  const { spec } = plan;
  const { data, paths } = packFiles({
    ...spec.files,
    ...(spec.authToken === null ? {} : { '.auth_token': spec.authToken }),
    '.platform_inbound_secret': spec.inboundSecret,
  });
  const environment = Object.entries(environmentOf(plan)).map(([name, value]) => [`env.${name}`, value]);
  return {
    metadata: {
      name: namesOf(spec.id).start,
      labels: labelsOf(spec.id),
      annotations: { [PATHS_ANNOTATION]: JSON.stringify(paths) },
    },
    stringData: { ...data, ...Object.fromEntries(environment) },
  };
}

export function planService({ spec, image, platformUrl }: WorkloadPlan): V1Service {
  return {
    metadata: {
      name: namesOf(spec.id).base,
      labels: labelsOf(spec.id),
      annotations: { [IMAGE_ANNOTATION]: image, [PLATFORM_LABEL]: platformUrl },
    },
    spec: {
      selector: { ...labelsOf(spec.id), [ROLE_LABEL]: AGENT },
      ports: [{ name: 'http', port: AGENT_PORT, targetPort: AGENT_PORT }],
    },
  };
}

export function planClaims({ spec }: WorkloadPlan): V1PersistentVolumeClaim[] {
  const names = namesOf(spec.id);
  const plan = (name: string, storage: string): V1PersistentVolumeClaim => ({
    metadata: { name, labels: labelsOf(spec.id) },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } } },
  });
  return [
    plan(names.configs, '1Gi'),
    ...(spec.tier === 1 ? [] : [plan(names.workspace, '10Gi')]),
    ...(spec.tier !== 1 && keepsSessions(spec.runtime) ? [plan(names.sessions, '1Gi')] : []),
  ];
}

/** Tier 1 sees its configuration only. */
function planMounts({ spec }: WorkloadPlan): { volumes: V1Volume[]; mounts: V1VolumeMount[] } {
  const names = namesOf(spec.id);
  const configs = { volumes: [claim('configs', names.configs)], mounts: [{ name: 'configs', mountPath: '/configs' }] };
  if (spec.tier === 1)
    return {
      volumes: [...configs.volumes, { name: 'tmp', emptyDir: { medium: 'Memory', sizeLimit: '64Mi' } }],
      mounts: [...configs.mounts, { name: 'tmp', mountPath: '/tmp' }],
    };
  const sessions = keepsSessions(spec.runtime);
  return {
    volumes: [
      ...configs.volumes,
      claim('workspace', names.workspace),
      ...(sessions ? [claim('sessions', names.sessions)] : []),
    ],
    mounts: [
      ...configs.mounts,
      { name: 'workspace', mountPath: '/workspace' },
      ...(sessions ? [{ name: 'sessions', mountPath: SESSION_FOLDER }] : []),
    ],
  };
}

function securityOf(tier: number): V1SecurityContext {
  if (isPrivileged(tier)) return { privileged: true };
  return {
    allowPrivilegeEscalation: false,
    seccompProfile: { type: 'RuntimeDefault' },
    ...(tier === 1 ? { readOnlyRootFilesystem: true } : {}),
  };
}

/** Before the agent: puts the files of this start in place, once per start however often its pod is made. */
function planInit(plan: WorkloadPlan): V1Container {
  return {
    name: 'files',
    image: plan.image,
    imagePullPolicy: isMoving(plan.image) ? 'Always' : 'IfNotPresent',
    command: ['node', '-e', initSource()],
    args: [
      JSON.stringify({
        start: START_FOLDER,
        pending: PENDING_FOLDER,
        configs: '/configs',
        startId: plan.startId,
        mark: START_MARK,
      }),
    ],
    volumeMounts: [
      { name: 'configs', mountPath: '/configs' },
      { name: 'start', mountPath: START_FOLDER, readOnly: true },
      { name: 'pending', mountPath: PENDING_FOLDER, readOnly: true },
    ],
    securityContext: securityOf(2),
  };
}

function planAgent(plan: WorkloadPlan, mounts: V1VolumeMount[]): V1Container {
  const { spec, image, caps } = plan;
  const cap = caps[spec.tier === 3 || spec.tier === 4 ? spec.tier : 2];
  const name = namesOf(spec.id).start;
  return {
    name: AGENT,
    image,
    imagePullPolicy: isMoving(image) ? 'Always' : 'IfNotPresent',
    ports: [{ name: 'http', containerPort: AGENT_PORT }],
    env: Object.keys(environmentOf(plan)).map((variable) => ({
      name: variable,
      valueFrom: { secretKeyRef: { name, key: `env.${variable}` } },
    })),
    resources: {
      limits: { memory: `${cap.memoryMb}Mi`, cpu: String(cap.cpuShares / SHARES_PER_CPU) },
      // What is asked for keeps a place on a node; most agents wait most of the time.
      requests: { memory: '128Mi', cpu: '50m' },
    },
    volumeMounts: mounts,
    securityContext: securityOf(spec.tier),
  };
}

/** Names are indexes; where they belong, the volume says. */
function secretVolume(name: string, secretName: string, paths: readonly string[]): V1Volume {
  return {
    name,
    secret: {
      secretName,
      optional: true,
      // Only the init container sees it, under whatever user its image has.
      defaultMode: 0o444,
      // An empty list would mean all keys, the environment among them.
      items: paths.map((path, index) => ({ key: `f${index}`, path })),
    },
  };
}

export function planDeployment(
  plan: WorkloadPlan,
  startPaths: readonly string[],
  pendingPaths: readonly string[],
): V1Deployment {
  const { spec, startId, platformUrl } = plan;
  const names = namesOf(spec.id);
  const { volumes, mounts } = planMounts(plan);
  const selector = { ...labelsOf(spec.id), [ROLE_LABEL]: AGENT };
  const pod: V1PodSpec = {
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    terminationGracePeriodSeconds: END_GRACE_SECONDS,
    ...(isPrivileged(spec.tier) ? { hostPID: true } : {}),
    ...(spec.tier === 4 ? { hostNetwork: true, dnsPolicy: 'ClusterFirstWithHostNet' } : {}),
    initContainers: [planInit(plan)],
    containers: [planAgent(plan, mounts)],
    volumes: [
      ...volumes,
      secretVolume('start', names.start, startPaths),
      pendingPaths.length > 0
        ? secretVolume('pending', names.pending, pendingPaths)
        : { name: 'pending', emptyDir: {} },
    ],
  };
  return {
    metadata: {
      name: names.base,
      labels: { ...labelsOf(spec.id), [TIER_LABEL]: String(spec.tier), [START_LABEL]: startId },
      annotations: { [PLATFORM_LABEL]: platformUrl },
    },
    spec: {
      replicas: 1,
      strategy: { type: 'Recreate' },
      revisionHistoryLimit: 0,
      selector: { matchLabels: selector },
      template: {
        metadata: { labels: { ...selector, [TIER_LABEL]: String(spec.tier), [START_LABEL]: startId } },
        spec: pod,
      },
    },
  };
}

/** Does nothing but hold the volumes of a stopped workspace where a file can be read. */
export function planHelper(id: string, image: string, claims: readonly string[]): V1Pod {
  const names = namesOf(id);
  const known = [
    { name: 'configs', claimName: names.configs, mountPath: '/configs' },
    { name: 'workspace', claimName: names.workspace, mountPath: '/workspace' },
  ].filter(({ claimName }) => claims.includes(claimName));
  return {
    metadata: { name: names.helper, labels: { ...labelsOf(id), [ROLE_LABEL]: FILES } },
    spec: {
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      restartPolicy: 'Never',
      activeDeadlineSeconds: HELPER_SECONDS,
      terminationGracePeriodSeconds: 0,
      containers: [
        {
          name: FILES,
          image,
          imagePullPolicy: isMoving(image) ? 'Always' : 'IfNotPresent',
          command: ['sleep', String(HELPER_SECONDS)],
          volumeMounts: known.map(({ name, mountPath }) => ({ name, mountPath })),
          securityContext: securityOf(2),
        },
      ],
      volumes: known.map(({ name, claimName }) => claim(name, claimName)),
    },
  };
}
