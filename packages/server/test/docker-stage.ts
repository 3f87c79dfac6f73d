// A docker backend on an engine of its own, with a small image whose workload follows the secret SCRIPT.

import { rmSync } from 'node:fs';
import { createServer as createHttpServer, request } from 'node:http';
import { createConnection, createServer, type Socket } from 'node:net';
import type { DockerEngine } from '@molecule/testkit/docker-engine';
import { readConfig } from '../src/config.ts';
import { createLog } from '../src/platform/log.ts';
import type { Backend, WorkloadExit, WorkloadSpec } from '../src/provisioning/backend.ts';
import { createDockerBackend } from '../src/provisioning/backends/docker/index.ts';

export const ID = '6b9b6a3e-6a51-4d8c-9f7b-0a5e6a3d1c11';
export const OTHER_ID = '7c1f0f9e-2f0b-4f9a-8f6e-5f4b0d8c2a02';
export const CONTAINER = 'ws-6b9b6a3e-6a5';
export const PLATFORM = 'http://host.docker.internal:9';
export const IMAGE_PREFIX = 'test/workspace-';

const SCRIPT = `
case "$SCRIPT" in
  crash) echo 'Error: it broke before it listened' >&2; exit 7 ;;
  refuse) echo 'FAIL ANTHROPIC_API_KEY is not set'; exit 1 ;;
  hog) exec dd if=/dev/zero of=/dev/null bs=256M count=100 ;;
  chatty) i=0; while [ $i -lt 30 ]; do echo "line $i"; i=$((i+1)); done ;;
  told) cat /configs/.auth_token; echo ;;
esac
trap 'exit 0' TERM
while true; do sleep 1000 & wait; done
`;

export const AGENT_FILES = { 'agent.sh': SCRIPT };
export const AGENT_COMMAND = ['/bin/sh', '/agent.sh'];

export const makeAgentImage = (engine: DockerEngine, name = `${IMAGE_PREFIX}echo:latest`) =>
  engine.makeToolImage(name, AGENT_FILES, AGENT_COMMAND);

export interface DockerStage {
  backend: Backend;
  exits: WorkloadExit[];
  logLines: Record<string, unknown>[];
  cutOff(): Promise<void>;
  /** Lets the engine be reached again. */
  mend(): Promise<void>;
  close(): Promise<void>;
}

/** A way to the engine that can be cut. */
async function openPassage(path: string, target: string) {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = createConnection(target);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket)).on('error', () => {});
    }
    client.pipe(upstream).pipe(client);
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  });
  const listen = () => new Promise<void>((done) => server.listen(path, done));
  const cut = async () => {
    const closed = new Promise((done) => server.close(done));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  await listen();
  return { listen, cut };
}

/**
 * A way to the engine on which single calls can be refused, as by an engine that is out of order.
 * @returns the address as `DOCKER_HOST` has it, and the paths of calls to refuse: each is refused once.
 */
export async function openFaultyEngine(engine: DockerEngine) {
  passages += 1;
  const path = `${engine.socketPath}.${passages}`;
  const refusals: string[] = [];
  const server = createHttpServer((incoming, outgoing) => {
    const refused = refusals.findIndex((start) => incoming.url?.startsWith(start));
    if (refused !== -1) {
      refusals.splice(refused, 1);
      outgoing.writeHead(500, { 'content-type': 'application/json' }).end('{"message":"out of order"}');
      return;
    }
    const { url, method, headers } = incoming;
    const upstream = request({ socketPath: engine.socketPath, path: url, method, headers }, (reply) => {
      outgoing.writeHead(reply.statusCode ?? 500, reply.headers);
      outgoing.flushHeaders();
      reply.pipe(outgoing);
    });
    upstream.on('error', () => outgoing.destroy());
    outgoing.on('close', () => upstream.destroy());
    incoming.pipe(upstream);
  });
  await new Promise<void>((done) => server.listen(path, done));
  return {
    host: `unix://${path}`,
    refusals,
    async close() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

let passages = 0;

/** @param env settings beside those of the stage. */
export async function openDockerStage(
  engine: DockerEngine,
  env: Record<string, string> = {},
  platformUrl = PLATFORM,
): Promise<DockerStage> {
  passages += 1;
  const path = `${engine.socketPath}.${passages}`;
  const passage = await openPassage(path, engine.socketPath);
  const exits: WorkloadExit[] = [];
  const logLines: Record<string, unknown>[] = [];
  const { docker: settings } = readConfig({
    MOLECULE_PROVISIONER: 'docker',
    DOCKER_HOST: `unix://${path}`,
    MOLECULE_IN_DOCKER: '0',
    ...env,
  });
  const backend = createDockerBackend({
    settings,
    imagePrefix: env.MOLECULE_IMAGE_PREFIX ?? IMAGE_PREFIX,
    platformUrl: () => platformUrl,
    log: createLog('debug', { write: (line: string) => logLines.push(JSON.parse(line)) }),
    onExit: (exit) => exits.push(exit),
  });
  let isCut = false;
  return {
    backend,
    exits,
    logLines,
    async cutOff() {
      isCut = true;
      await passage.cut();
    },
    async mend() {
      isCut = false;
      await passage.listen();
    },
    async close() {
      await backend.shutdown();
      if (!isCut) await passage.cut();
      rmSync(path, { force: true });
      await removeWorkloads(engine);
    },
  };
}

/** Containers and volumes of every seat, so that the next test starts from nothing. */
export async function removeWorkloads({ docker }: DockerEngine): Promise<void> {
  for (const { Id } of await docker.listContainers({ all: true }))
    await docker
      .getContainer(Id)
      .remove({ force: true })
      .catch(() => {});
  for (const { Name } of (await docker.listVolumes()).Volumes ?? []) await docker.getVolume(Name).remove();
}

export function dockerSpec(script: string, changes: Partial<WorkloadSpec> = {}): WorkloadSpec {
  return {
    id: ID,
    name: 'Seat',
    runtime: 'echo',
    tier: 2,
    workspaceDir: null,
    workspaceAccess: 'none',
    imageDigest: null,
    env: { SCRIPT: script, PLATFORM_URL: PLATFORM, MOLECULE_URL: PLATFORM, TIER: '2' },
    files: { 'config.yaml': 'name: Seat\n', 'prompts/a.md': 'hello' },
    authToken: 'the-token',
    inboundSecret: 'the-secret',
    resetSession: false,
    publish: async () => {},
    record: async () => {},
    ...changes,
  };
}
