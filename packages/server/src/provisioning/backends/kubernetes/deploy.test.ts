// The manifests under deploy/kubernetes: they parse, ask for no more than they need, and let the backend do exactly what it does.

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startKubernetesApi } from '@molecule/testkit';
import { describe, expect, it, vi } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { readConfig } from '../../../config.ts';
import { createLog } from '../../../platform/log.ts';
import { SETTINGS } from '../../../settings.ts';
import type { WorkloadExit } from '../../backend.ts';
import { createKubernetesBackend } from './kubernetes.ts';

const FOLDER = join(import.meta.dirname, '../../../../../../deploy/kubernetes');
const ID = '6b9b6a3e-6a51-4d8c-9f7b-0a5e6a3d1c11';

interface Manifest {
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  // biome-ignore lint/suspicious/noExplicitAny: manifests of every kind.
  [more: string]: any;
}

const manifests = readdirSync(FOLDER)
  .filter((file) => file.endsWith('.yaml'))
  .flatMap((file) =>
    parseAllDocuments(readFileSync(join(FOLDER, file), 'utf8')).map((document) => {
      expect(document.errors, file).toEqual([]);
      return document.toJS() as Manifest;
    }),
  );

function find(kind: string): Manifest {
  const [found, ...others] = manifests.filter((manifest) => manifest.kind === kind);
  expect(others).toEqual([]);
  if (!found) throw new Error(`no ${kind}`);
  return found;
}

/** Does with a workload whatever can be done with one. @returns the permissions that took. */
async function useEverything(): Promise<Set<string>> {
  const server = await startKubernetesApi();
  const folder = mkdtempSync(join(tmpdir(), 'molecule-kubeconfig-'));
  writeFileSync(join(folder, 'config'), server.kubeconfig);
  const exits: WorkloadExit[] = [];
  const config = readConfig({ PATH: '/bin' });
  const backend = createKubernetesBackend({
    kubeconfig: join(folder, 'config'),
    namespace: null,
    imagePrefix: config.imagePrefix,
    caps: config.docker.tierCaps,
    platformUrl: () => 'http://platform:8080',
    log: createLog('silent'),
    onExit: (exit) => exits.push(exit),
  });
  const start = (resetSession: boolean) =>
    backend.start({
      id: ID,
      name: 'Seat',
      runtime: 'claude-code',
      tier: 2,
      workspaceDir: null,
      workspaceAccess: 'none',
      imageDigest: null,
      env: {},
      files: {},
      authToken: 'token',
      inboundSecret: 'secret',
      resetSession,
      publish: async () => {},
      record: async () => {},
    });
  await backend.adopt(async () => true);
  await backend.writeFiles(ID, { 'config.yaml': 'name: one\n' });
  await backend.writeFiles(ID, { 'other.md': 'two' });
  await start(false);
  await start(true);
  await backend.readLog(ID, 10);
  (await backend.openTerminal?.(ID, { cols: 80, rows: 24 }))?.close();
  await backend.files?.write(ID, { 'three.md': 'three' });
  await backend.supervise();
  for (const pod of server.pods.of(ID)) server.pods.end(pod, { exitCode: 1 });
  await vi.waitFor(() => expect(exits).toHaveLength(1));
  await backend.readConfigFile(ID, 'config.yaml');
  await backend.listManaged();
  await backend.stop(ID);
  await backend.removeVolumes(ID);
  await backend.shutdown();
  await server.stop();
  rmSync(folder, { recursive: true });
  return server.used;
}

describe('the manifests', () => {
  it('are the platform and its rights, all in one namespace', () => {
    const namespace = find('Namespace').metadata.name;
    for (const { kind, metadata } of manifests) if (kind !== 'Namespace') expect(metadata.namespace).toBe(namespace);
    const binding = find('RoleBinding');
    expect(binding.roleRef.name).toBe(find('Role').metadata.name);
    expect(binding.subjects).toEqual([
      { kind: 'ServiceAccount', name: find('ServiceAccount').metadata.name, namespace },
    ]);
    expect(find('Deployment').spec.template.spec.serviceAccountName).toBe(find('ServiceAccount').metadata.name);
  });

  it('the role grants what the backend uses, and nothing it does not use', async () => {
    const granted = (find('Role').rules as { apiGroups: string[]; resources: string[]; verbs: string[] }[]).flatMap(
      ({ resources, verbs }) => resources.flatMap((resource) => verbs.map((verb) => `${verb} ${resource}`)),
    );
    const used = await useEverything();
    // A WebSocket is a GET, which some clusters take for a `create`; the test server is one of those.
    expect(granted.filter((permission) => permission !== 'get pods/exec').sort()).toEqual([...used].sort());
  });

  it('two replicas run without rights of their own, ready when /health answers, with settings the platform knows', () => {
    const { spec } = find('Deployment');
    expect(spec.replicas).toBe(2);
    const pod = spec.template.spec;
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
    const [container] = pod.containers;
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(container.readinessProbe.httpGet).toEqual({ path: '/health', port: 'http' });
    // What it writes to is mounted; everything else of its file system is read-only.
    expect(container.volumeMounts.map(({ mountPath }: { mountPath: string }) => mountPath)).toEqual(['/data', '/tmp']);
    expect(spec.selector.matchLabels).toEqual(spec.template.metadata.labels);
    expect(find('Service').spec.selector).toEqual(spec.selector.matchLabels);
    const env = Object.fromEntries(
      container.env.map(({ name, value }: { name: string; value: string }) => [name, value]),
    );
    const secret = find('Secret');
    expect(container.envFrom).toEqual([{ secretRef: { name: secret.metadata.name } }]);
    const known = new Set([...SETTINGS.map(({ name }) => name), 'MOLECULE_ENV']);
    for (const name of [...Object.keys(env), ...Object.keys(secret.stringData)]) expect(known).toContain(name);
    const { name, namespace } = find('Service').metadata;
    expect(env.PLATFORM_URL).toBe(`http://${name}.${namespace}:8080`);
    const config = readConfig({
      PATH: '/bin',
      ...env,
      ...secret.stringData,
      ADMIN_TOKEN: 'token',
      SECRETS_ENCRYPTION_KEY: 'x'.repeat(32),
    });
    expect(config).toMatchObject({ provisioner: 'kubernetes', isProduction: true, port: 8080, host: '0.0.0.0' });
    expect(config.warnings).toEqual([]);
  });
});
