// What a container is made of, tier by tier (chapter 10 §7.5), told without an engine: not every machine grants what tiers 3 and 4 ask.

import { expect, it } from 'vitest';
import { dockerSpec, ID, PLATFORM } from '../../../../test/docker-stage.ts';
import { readConfig } from '../../../config.ts';
import { type ContainerPlan, planContainer } from './container-spec.ts';

const plan = (tier: number, changes: Partial<ContainerPlan> = {}, env: Record<string, string> = {}) =>
  planContainer({
    spec: dockerSpec('silent', { tier }),
    image: 'x:latest',
    port: 40_000,
    caps: readConfig(env).docker.tierCaps,
    cpus: 8,
    platformUrl: PLATFORM,
    ...changes,
  });

const MEBIBYTE = 2 ** 20;

it.each([
  [1, 512, 1],
  [2, 512, 1],
  [3, 2048, 2],
  [4, 4096, 4],
  // Nobody knows that one.
  [9, 512, 1],
])('tier %i gets %i MiB and %i processors', (tier, memory, cpus) => {
  expect(plan(tier).HostConfig).toMatchObject({ Memory: memory * MEBIBYTE, NanoCpus: cpus * 1e9 });
});

it('the operator sets the caps of tiers 2 to 4; what is no positive number does not count', () => {
  const env = {
    TIER2_MEMORY_MB: '100',
    TIER2_CPU_SHARES: '512',
    TIER3_MEMORY_MB: '0',
    TIER3_CPU_SHARES: '-1',
    TIER4_MEMORY_MB: 'much',
    TIER4_CPU_SHARES: '3072',
  };
  expect(plan(2, {}, env).HostConfig).toMatchObject({ Memory: 100 * MEBIBYTE, NanoCpus: 0.5e9 });
  expect(plan(3, {}, env).HostConfig).toMatchObject({ Memory: 2048 * MEBIBYTE, NanoCpus: 2e9 });
  expect(plan(4, {}, env).HostConfig).toMatchObject({ Memory: 4096 * MEBIBYTE, NanoCpus: 3e9 });
});

it('never asks for more processors than the engine has: it would refuse', () => {
  expect(plan(4, { cpus: 2 }).HostConfig?.NanoCpus).toBe(2e9);
});

it('privileges begin with tier 3, the network of the host with tier 4', () => {
  expect(plan(2).HostConfig).toMatchObject({ NetworkMode: 'molecule-net' });
  expect(plan(2).HostConfig).not.toHaveProperty('Privileged');
  expect(plan(2).HostConfig).not.toHaveProperty('PidMode');
  expect(plan(3).HostConfig).toMatchObject({ Privileged: true, PidMode: 'host', NetworkMode: 'molecule-net' });
  expect(plan(4).HostConfig).toMatchObject({ Privileged: true, PidMode: 'host', NetworkMode: 'host' });
  expect(plan(4).HostConfig).not.toHaveProperty('PortBindings');
  expect(plan(4)).not.toHaveProperty('NetworkingConfig');
});

it('tier 4 listens on a port of its own, registers with it, and finds the socket of its engine', () => {
  const { Env, HostConfig } = plan(4, { dockerSocket: '/run/other.sock' });
  expect(Env).toEqual(expect.arrayContaining(['PORT=40000', 'AGENT_URL=http://127.0.0.1:40000']));
  expect(HostConfig?.Mounts).toContainEqual({
    Type: 'bind',
    Source: '/run/other.sock',
    Target: '/var/run/docker.sock',
    ReadOnly: false,
  });
  expect(plan(3).Env).toContain('PORT=8000');
  expect(plan(3).Env?.some((line) => line.startsWith('AGENT_URL='))).toBe(false);
});

it('tier 1 mounts nothing but its configuration, whatever directory the seat was given', () => {
  const spec = dockerSpec('silent', {
    tier: 1,
    workspaceDir: '/home/me',
    workspaceAccess: 'read_write',
    runtime: 'claude-code',
  });
  const { HostConfig } = plan(1, { spec });
  expect(HostConfig?.Mounts?.map((mount) => mount.Target)).toEqual(['/configs']);
  expect(HostConfig).toMatchObject({ ReadonlyRootfs: true, Tmpfs: { '/tmp': 'rw,noexec,nosuid,size=64m' } });
});

it('a host directory counts only with access to it', () => {
  const mountOf = (workspaceAccess: 'none' | 'read_only' | 'read_write') =>
    plan(2, { spec: dockerSpec('silent', { workspaceDir: '/home/me', workspaceAccess }) }).HostConfig?.Mounts?.find(
      (mount) => mount.Target === '/workspace',
    );
  expect(mountOf('none')).toMatchObject({ Type: 'volume', Source: `ws-${ID}-workspace` });
  expect(mountOf('read_only')).toMatchObject({ Type: 'bind', Source: '/home/me', ReadOnly: true });
  expect(mountOf('read_write')).toMatchObject({ Type: 'bind', Source: '/home/me', ReadOnly: false });
});
