// What a workspace's container is made of, by tier (chapter 10 §7.5). Pure: the engine is not asked anything here.

import type Dockerode from 'dockerode';
import type { DockerSettings } from '../../../config.ts';
import type { WorkloadSpec } from '../../backend.ts';
import {
  AGENT_PORT,
  configVolume,
  containerName,
  labelsOf,
  NETWORK,
  PLATFORM_LABEL,
  sessionVolume,
  TIER_LABEL,
  workspaceVolume,
} from '../workload-names.ts';

const MEBIBYTE = 1024 * 1024;
/** 1024 shares are one CPU. */
const SHARES_PER_CPU = 1024;
const NANOS_PER_CPU = 1_000_000_000;
const DOCKER_SOCKET = '/var/run/docker.sock';
/** The runtime's own transcript store, worth more than the container it lies in. */
const SESSION_FOLDER = '/root/.claude/sessions';
const LOG_LIMITS = { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '2' } };

export interface ContainerPlan {
  spec: WorkloadSpec;
  image: string;
  /** On the host's loopback; on tier 4 the port of the agent itself. */
  port: number;
  /** Tier 1, and a tier nobody knows, get no more than tier 2. */
  caps: DockerSettings['tierCaps'];
  /** CPUs the engine has: it refuses a container that asks for more. */
  cpus: number;
  platformUrl: string;
  /** Host path of the engine's own socket, for tier 4. */
  dockerSocket?: string | undefined;
}

export const sharesHostNetwork = (tier: number) => tier === 4;
export const keepsSessions = (runtime: string) => runtime === 'claude-code';

function listMounts({ spec, dockerSocket = DOCKER_SOCKET }: ContainerPlan): Dockerode.MountSettings[] {
  const { id, tier, workspaceDir } = spec;
  const volume = (Source: string, Target: string): Dockerode.MountSettings => ({ Type: 'volume', Source, Target });
  const bind = (Source: string, Target: string, ReadOnly = false): Dockerode.MountSettings => ({
    Type: 'bind',
    Source,
    Target,
    ReadOnly,
  });
  const configs = volume(configVolume(id), '/configs');
  if (tier === 1) return [configs];
  return [
    configs,
    ...(keepsSessions(spec.runtime) ? [volume(sessionVolume(id), SESSION_FOLDER)] : []),
    workspaceDir !== null && spec.workspaceAccess !== 'none'
      ? bind(workspaceDir, '/workspace', spec.workspaceAccess === 'read_only')
      : volume(workspaceVolume(id), '/workspace'),
    ...(tier === 4 ? [bind(dockerSocket, DOCKER_SOCKET)] : []),
  ];
}

/** What names the seat, its folders and the platform comes last: no secret can replace it. */
function listEnvironment({ spec, port, platformUrl }: ContainerPlan): string[] {
  const host = sharesHostNetwork(spec.tier);
  const env: Record<string, string> = {
    PLUGINS_DIR: '/plugins',
    PYTHONPATH: '/app',
    ...spec.env,
    WORKSPACE_ID: spec.id,
    WORKSPACE_CONFIG_PATH: '/configs',
    PLATFORM_URL: platformUrl,
    MOLECULE_URL: platformUrl,
    TIER: String(spec.tier),
    PORT: String(host ? port : AGENT_PORT),
    // On the host's network its own name leads nowhere.
    ...(host ? { AGENT_URL: `http://127.0.0.1:${port}` } : {}),
    ...(spec.resetSession ? { WORKSPACE_RESET_SESSION: '1' } : {}),
  };
  return Object.entries(env).map(([name, value]) => `${name}=${value}`);
}

function tierSettings(tier: number): Partial<Dockerode.HostConfig> {
  switch (tier) {
    case 1:
      return { ReadonlyRootfs: true, Tmpfs: { '/tmp': 'rw,noexec,nosuid,size=64m' } };
    case 3:
      return { Privileged: true, PidMode: 'host' };
    case 4:
      return { Privileged: true, PidMode: 'host', NetworkMode: 'host' };
    default:
      return {};
  }
}

export function planContainer(plan: ContainerPlan): Dockerode.ContainerCreateOptions {
  const { spec, image, port, caps, cpus, platformUrl } = plan;
  const { id, tier } = spec;
  const name = containerName(id);
  const host = sharesHostNetwork(tier);
  const cap = caps[tier === 3 || tier === 4 ? tier : 2];
  const exposed = `${AGENT_PORT}/tcp`;
  return {
    name,
    Image: image,
    Labels: { ...labelsOf(id), [PLATFORM_LABEL]: platformUrl, [TIER_LABEL]: String(tier) },
    Env: listEnvironment(plan),
    ...(host
      ? {}
      : {
          Hostname: name,
          ExposedPorts: { [exposed]: {} },
          NetworkingConfig: { EndpointsConfig: { [NETWORK]: { Aliases: [name] } } },
        }),
    HostConfig: {
      NetworkMode: NETWORK,
      // A name for the host also where the engine is not Docker Desktop.
      ExtraHosts: ['host.docker.internal:host-gateway'],
      ...(host ? {} : { PortBindings: { [exposed]: [{ HostIp: '127.0.0.1', HostPort: String(port) }] } }),
      RestartPolicy: { Name: 'unless-stopped' },
      Memory: cap.memoryMb * MEBIBYTE,
      NanoCpus: Math.min(Math.round((cap.cpuShares / SHARES_PER_CPU) * NANOS_PER_CPU), cpus * NANOS_PER_CPU),
      LogConfig: LOG_LIMITS,
      Mounts: listMounts(plan),
      ...tierSettings(tier),
    },
  };
}
