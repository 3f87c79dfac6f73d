// The settings of the `docker` backend (chapter 10 §7.5, §10), a part of `Config`.

import { existsSync } from 'node:fs';
import { ConfigError, type Environment, positiveWhole, text } from './config-env.ts';

export interface TierCap {
  memoryMb: number;
  /** 1024 = one CPU. */
  cpuShares: number;
}

/** What only the `docker` backend goes by (chapter 10 §7.5). */
export interface DockerSettings {
  /** `DOCKER_HOST`; null = the usual socket. */
  host: string | null;
  /** `linux/amd64` and the like; null = the engine's own. */
  imagePlatform: string | null;
  /** Images are built on this machine: pins do not count. */
  ignorePins: boolean;
  registryLogin: { username: string; password: string } | null;
  tierCaps: Readonly<Record<2 | 3 | 4, TierCap>>;
  /** The platform runs in a container itself, so that the host's loopback is not its own. */
  inContainer: boolean;
  /** Watch the registry for newer images of runtimes. */
  autoRefresh: boolean;
}

/** Both or neither (chapter 10 §10). */
function readRegistryLogin(env: Environment): DockerSettings['registryLogin'] {
  const username = text(env, 'GHCR_USER');
  const password = text(env, 'GHCR_TOKEN');
  if (username !== null && password !== null) return { username, password };
  if (username === null && password === null) return null;
  throw new ConfigError(
    'GHCR_USER and GHCR_TOKEN are set together or not at all',
    'GHCR_USER=<name> GHCR_TOKEN=<token> npm start',
  );
}

export function readDockerSettings(env: Environment, warnings: string[]): DockerSettings {
  // No registry builds runtimes for the processor of that machine, and its engine runs the other kind as well.
  const isAppleSilicon = process.platform === 'darwin' && process.arch === 'arm64';
  const inContainer = text(env, 'MOLECULE_IN_DOCKER');
  return {
    host: text(env, 'DOCKER_HOST'),
    imagePlatform: text(env, 'MOLECULE_IMAGE_PLATFORM') ?? (isAppleSilicon ? 'linux/amd64' : null),
    ignorePins: text(env, 'WORKSPACE_IMAGE_LOCAL_OVERRIDE') === '1',
    registryLogin: readRegistryLogin(env),
    tierCaps: {
      2: {
        memoryMb: positiveWhole(env, 'TIER2_MEMORY_MB', 512, warnings),
        cpuShares: positiveWhole(env, 'TIER2_CPU_SHARES', 1024, warnings),
      },
      3: {
        memoryMb: positiveWhole(env, 'TIER3_MEMORY_MB', 2048, warnings),
        cpuShares: positiveWhole(env, 'TIER3_CPU_SHARES', 2048, warnings),
      },
      4: {
        memoryMb: positiveWhole(env, 'TIER4_MEMORY_MB', 4096, warnings),
        cpuShares: positiveWhole(env, 'TIER4_CPU_SHARES', 4096, warnings),
      },
    },
    inContainer: inContainer === null ? existsSync('/.dockerenv') : /^(1|true)$/i.test(inContainer),
    autoRefresh: /^(1|true)$/i.test(text(env, 'IMAGE_AUTO_REFRESH') ?? ''),
  };
}
