// The docker backend on a real engine (chapter 10 §7.1, §7.5): the common contract, and what only containers have.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DockerEngine, startDockerEngine, whyNoDockerEngine } from '@molecule/testkit/docker-engine';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { describeBackendContract } from '../../../../test/backend-contract.ts';
import {
  CONTAINER,
  type DockerStage,
  dockerSpec,
  ID,
  IMAGE_PREFIX,
  makeAgentImage,
  OTHER_ID,
  openDockerStage,
  PLATFORM,
} from '../../../../test/docker-stage.ts';
import { OvertakenError, type WorkloadSpec } from '../../backend.ts';

const missing = whyNoDockerEngine();
const PATIENCE = { timeout: 15_000, interval: 20 };

describe.skipIf(missing !== null)(
  `a container engine${missing ? ` (skipped: ${missing})` : ''}`,
  { timeout: 60_000 },
  () => {
    let engine: DockerEngine;
    let privileged = false;
    const stages: DockerStage[] = [];
    beforeAll(async () => {
      engine = await startDockerEngine();
      await makeAgentImage(engine);
      await makeAgentImage(engine, `${IMAGE_PREFIX}claude-code:latest`);
      privileged = await engine.grantsPrivileges(`${IMAGE_PREFIX}echo:latest`);
    });
    afterAll(() => engine.stop());
    afterEach(async () => {
      for (const stage of stages.splice(0)) await stage.close();
    });

    async function open(env: Record<string, string> = {}): Promise<DockerStage> {
      const stage = await openDockerStage(engine, env);
      stages.push(stage);
      return stage;
    }

    async function started(changes: Partial<WorkloadSpec> = {}, env: Record<string, string> = {}) {
      const stage = await open(env);
      await stage.backend.start(dockerSpec('silent', changes));
      return { ...stage, container: engine.docker.getContainer(CONTAINER) };
    }

    /** What a program prints inside the running container. */
    async function run(...command: string[]): Promise<string> {
      const container = engine.docker.getContainer(CONTAINER);
      const exec = await container.exec({ Cmd: command, AttachStdout: true, AttachStderr: true, Tty: true });
      let text = '';
      for await (const chunk of await exec.start({ Tty: true })) text += String(chunk);
      return text.trim();
    }

    describeBackendContract('docker', async () => {
      const stage = await openDockerStage(engine);
      return { ...stage, spec: (changes) => dockerSpec('silent', changes) };
    });

    describe('a workload', () => {
      it('is one labelled container on its own network, published on loopback, that comes back with the engine', async () => {
        const published: string[] = [];
        const { container } = await started({ publish: async (url) => void published.push(url) });
        const info = await container.inspect();
        expect(info.Config.Labels).toMatchObject({ 'molecule.platform.managed': 'true', 'molecule.workspace.id': ID });
        expect(info.HostConfig.RestartPolicy?.Name).toBe('unless-stopped');
        expect(Object.keys(info.NetworkSettings.Networks)).toEqual(['molecule-net']);
        expect(info.NetworkSettings.Networks['molecule-net']?.Aliases).toContain(CONTAINER);
        const bound = info.NetworkSettings.Ports['8000/tcp']?.[0];
        expect(bound?.HostIp).toBe('127.0.0.1');
        expect(published).toEqual([`http://127.0.0.1:${bound?.HostPort}`]);
        const names = ((await engine.docker.listVolumes()).Volumes ?? []).map((volume) => volume.Name).sort();
        expect(names).toEqual([`${CONTAINER}-configs`, `ws-${ID}-workspace`]);
        for (const { Labels } of (await engine.docker.listVolumes()).Volumes ?? [])
          expect(Labels).toMatchObject({ 'molecule.platform.managed': 'true' });
      });

      it('is called by its name where the platform runs in a container beside it', async () => {
        const published: string[] = [];
        await started({ publish: async (url) => void published.push(url) }, { MOLECULE_IN_DOCKER: '1' });
        expect(published).toEqual([`http://${CONTAINER}:8000`]);
      });

      it('is bound to the port it was published under, not to one the engine chooses at each start', async () => {
        const published: string[] = [];
        const { container } = await started({ publish: async (url) => void published.push(url) });
        // What the engine binds each time it starts the container.
        const bound = (await container.inspect()).HostConfig.PortBindings as Record<string, { HostPort: string }[]>;
        expect(published).toEqual([`http://127.0.0.1:${bound['8000/tcp']?.[0]?.HostPort}`]);
      });

      it('finds its credentials, readable by nobody else, in its very first moment', async () => {
        const { backend } = await started({ env: { SCRIPT: 'told' } });
        await vi.waitFor(async () => expect((await backend.readLog(ID, 10))?.lines).toEqual(['the-token']), PATIENCE);
        expect(await run('ls', '-ln', '/configs/.auth_token', '/configs/.platform_inbound_secret')).toMatch(
          /^-rw------- +1 0 +0 .*\r?\n-rw------- +1 0 +0 /,
        );
        expect(await run('cat', '/configs/.platform_inbound_secret')).toBe('the-secret');
      });

      it('cannot be told by a secret who it is, where its files are, or who the platform is', async () => {
        const stolen = {
          WORKSPACE_ID: 'x',
          WORKSPACE_CONFIG_PATH: '/x',
          PLATFORM_URL: 'x',
          MOLECULE_URL: 'x',
          TIER: '4',
        };
        await started({ env: { ...stolen, SCRIPT: 'silent', PYTHONPATH: '/mine', OWN: 'kept' } });
        const env = Object.fromEntries((await run('env')).split(/\r?\n/).map((line) => line.split(/=(.*)/s)));
        expect(env).toMatchObject({
          WORKSPACE_ID: ID,
          WORKSPACE_CONFIG_PATH: '/configs',
          PLATFORM_URL: PLATFORM,
          MOLECULE_URL: PLATFORM,
          TIER: '2',
          PLUGINS_DIR: '/plugins',
          PYTHONPATH: '/mine',
          OWN: 'kept',
          PORT: '8000',
        });
      });

      it('gets line ends it can run', async () => {
        await started({ files: { 'run.sh': 'echo a\r\necho b\r\n', 'data.txt': 'a\r\n' } });
        expect(JSON.stringify(await run('cat', '/configs/run.sh'))).not.toContain('\\r\\r');
        const { backend } = stages[0] as DockerStage;
        expect(await backend.readConfigFile(ID, 'run.sh')).toBe('echo a\necho b\n');
        expect(await backend.readConfigFile(ID, 'data.txt')).toBe('a\r\n');
      });

      it('replaces whatever has its name', async () => {
        const stage = await open();
        const old = await engine.docker.createContainer({ name: CONTAINER, Image: `${IMAGE_PREFIX}echo:latest` });
        await old.start();
        await stage.backend.start(dockerSpec('silent'));
        await expect(old.inspect()).rejects.toMatchObject({ statusCode: 404 });
        expect(await stage.backend.isRunning(ID)).toEqual({ running: true });
      });

      it('moves to another port when somebody takes the one it was to have', async () => {
        const stage = await open();
        const thieves: Server[] = [];
        const published: string[] = [];
        await stage.backend.start(
          dockerSpec('silent', {
            async publish(url) {
              published.push(url);
              if (published.length > 1) return;
              const thief = createServer();
              thieves.push(thief);
              await new Promise<void>((done) => thief.listen(Number(new URL(url).port), '127.0.0.1', done));
            },
          }),
        );
        for (const thief of thieves) await new Promise((done) => thief.close(done));
        expect(published).toHaveLength(2);
        const { NetworkSettings } = await engine.docker.getContainer(CONTAINER).inspect();
        expect(NetworkSettings.Ports['8000/tcp']?.[0]?.HostPort).toBe(new URL(published[1] ?? '').port);
      });

      it('a stop in the middle of a start leaves nothing running', async () => {
        const { backend } = await open();
        const start = backend.start(dockerSpec('silent', { publish: () => backend.stop(ID) }));
        await expect(start).rejects.toThrow(OvertakenError);
        expect(await backend.isRunning(ID)).toEqual({ running: false });
        expect(await engine.docker.listContainers({ all: true })).toEqual([]);
      });

      it('without an image fails with what is missing for which runtime', async () => {
        const { backend } = await open();
        await expect(backend.start(dockerSpec('silent', { runtime: 'codex' }))).rejects.toMatchObject({
          name: 'StartRefusedError',
          message: expect.stringMatching(/test\/workspace-codex:latest for the runtime codex/),
        });
      });
    });

    describe('tiers', () => {
      it('1: a read-only root, a small temporary folder nothing runs from, and only its configuration', async () => {
        const { container } = await started({ tier: 1 });
        expect(
          await run('sh', '-c', 'echo x > /root/x; echo x > /tmp/x && echo written; echo x > /configs/x && echo too'),
        ).toMatch(/Read-only file system[\s\S]*written[\s\S]*too/);
        expect(await run('sh', '-c', 'grep " /tmp " /proc/mounts || cat /proc/mounts')).toMatch(
          /tmpfs \/tmp tmpfs rw,nosuid,nodev,noexec,relatime,size=65536k/,
        );
        const { Mounts } = await container.inspect();
        expect(Mounts.map((mount) => mount.Destination)).toEqual(['/configs']);
      });

      it('2: half a gigabyte and one processor; the operator may say otherwise, nonsense does not count', async () => {
        const { HostConfig } = await (await started({ tier: 2 })).container.inspect();
        expect(HostConfig).toMatchObject({ Memory: 512 * 2 ** 20, NanoCpus: 1e9, Privileged: false });
        const told = await started({ tier: 2 }, { TIER2_MEMORY_MB: '64', TIER2_CPU_SHARES: '-5' });
        expect((await told.container.inspect()).HostConfig).toMatchObject({ Memory: 64 * 2 ** 20, NanoCpus: 1e9 });
      });

      it('3: privileged with the processes of the host, on its own network', async (context) => {
        if (!privileged) return context.skip('this machine gives no container all privileges');
        const { HostConfig, NetworkSettings } = await (await started({ tier: 3 })).container.inspect();
        expect(HostConfig).toMatchObject({ Privileged: true, PidMode: 'host', Memory: 2048 * 2 ** 20 });
        expect(Object.keys(NetworkSettings.Networks)).toEqual(['molecule-net']);
      });

      it('4: that, the network of the host on a port of its own, and the socket of the engine', async (context) => {
        if (!privileged) return context.skip('this machine gives no container all privileges');
        const published: string[] = [];
        const { container } = await started({ tier: 4, publish: async (url) => void published.push(url) });
        const { HostConfig, Mounts, Config } = await container.inspect();
        expect(HostConfig).toMatchObject({ Privileged: true, PidMode: 'host', NetworkMode: 'host' });
        expect(HostConfig.Memory).toBe(4096 * 2 ** 20);
        expect(Mounts.map((mount) => mount.Destination).sort()).toEqual([
          '/configs',
          '/var/run/docker.sock',
          '/workspace',
        ]);
        const { port } = new URL(published[0] ?? '');
        expect(Config.Env).toContain(`PORT=${port}`);
      });
    });

    describe('folders', () => {
      it('the host directory of the seat takes the place of its volume, read-only when so wished', async () => {
        const folder = mkdtempSync(join(tmpdir(), 'molecule-host-'));
        writeFileSync(join(folder, 'note'), 'from the host');
        await started({ workspaceDir: folder, workspaceAccess: 'read_only' });
        expect(await run('cat', '/workspace/note')).toBe('from the host');
        expect(await run('sh', '-c', 'echo x > /workspace/note')).toMatch(/Read-only/);
        rmSync(folder, { recursive: true });
      });

      it('a host directory that is not there is named', async () => {
        const { backend } = await open();
        const start = backend.start(
          dockerSpec('silent', { workspaceDir: '/nowhere/at/all', workspaceAccess: 'read_write' }),
        );
        await expect(start).rejects.toMatchObject({ name: 'StartRefusedError', message: /\/nowhere\/at\/all/ });
        expect(await engine.docker.listContainers({ all: true })).toEqual([]);
      });

      it('a reset forgets the sessions of claude-code, and nothing else', async () => {
        const { backend } = await started({ runtime: 'claude-code' });
        await run('sh', '-c', 'echo x > /root/.claude/sessions/one; echo x > /workspace/two');
        await backend.start(dockerSpec('silent', { runtime: 'claude-code' }));
        expect(await run('ls', '/root/.claude/sessions')).toBe('one');
        await backend.start(dockerSpec('silent', { runtime: 'claude-code', resetSession: true }));
        expect(await run('ls', '/root/.claude/sessions')).toBe('');
        expect(await run('ls', '/workspace')).toBe('two');
      });

      it('files of a workload that does not run are found, replaced and deleted all the same', async () => {
        const { backend } = await started();
        const files = backend.files as NonNullable<typeof backend.files>;
        expect(await files.source(ID)).toBe('container');
        await run('sh', '-c', 'mkdir /workspace/src && echo code > /workspace/src/a.txt');
        await backend.stop(ID);
        expect(await files.source(ID)).toBe('volume');
        expect(await files.list(ID, '/workspace', '', 2)).toEqual([
          { path: 'src', size: 0, dir: true },
          { path: 'src/a.txt', size: 5, dir: false },
        ]);
        expect(await files.list(ID, '/workspace', 'src', 1)).toEqual([{ path: 'src/a.txt', size: 5, dir: false }]);
        await files.write(ID, { 'config.yaml': 'name: Other\n' });
        expect(await backend.readConfigFile(ID, 'config.yaml')).toBe('name: Other\n');
        expect(await files.remove(ID, 'prompts/a.md')).toBe(true);
        expect(await files.remove(ID, 'prompts')).toBe(false);
        expect(await backend.readConfigFile(ID, 'prompts/a.md')).toBeNull();
        expect(await engine.docker.listContainers({ all: true })).toEqual([]);
        expect(await files.list(OTHER_ID, '/configs', '', 1)).toEqual([]);
      });

      it('a link leads nowhere: neither reading, listing, writing nor deleting follows it', async () => {
        const { backend } = await started();
        const files = backend.files as NonNullable<typeof backend.files>;
        await run('sh', '-c', 'ln -s /etc /configs/out; ln -s /etc/passwd /configs/secret; ls /configs');
        const refused = { name: 'FilePathError' };
        expect(await files.read(ID, '/configs', 'out/passwd', 1000)).toBeNull();
        expect(await files.read(ID, '/configs', 'secret', 1000)).toBeNull();
        expect(await files.list(ID, '/configs', 'out', 1)).toEqual([]);
        await expect(files.write(ID, { 'fine.md': 'x', 'out/passwd': 'x' })).rejects.toMatchObject(refused);
        await expect(files.write(ID, { prompts: 'x' })).rejects.toMatchObject(refused);
        expect(await files.read(ID, '/configs', 'fine.md', 10)).toBeNull();
        expect(await files.remove(ID, 'out/passwd')).toBe(false);
        expect(await run('cat', '/etc/passwd')).toMatch(/root/);
      });

      it('leaves nothing of a replacement behind, and hides what a listing hides', async () => {
        const { backend } = await started();
        const files = backend.files as NonNullable<typeof backend.files>;
        await files.write(ID, { 'deep/er/x.md': 'one', 'config.yaml': 'name: New\n' });
        await files.write(ID, { 'deep/er/x.md': 'two' });
        await run('sh', '-c', 'mkdir /configs/.git && echo x > /configs/.git/HEAD');
        expect(await run('cat', '/configs/deep/er/x.md')).toBe('two');
        expect((await run('ls', '-A', '/configs')).split(/\s+/).sort()).toEqual([
          '.auth_token',
          '.git',
          '.platform_inbound_secret',
          'config.yaml',
          'deep',
          'prompts',
        ]);
        expect((await files.list(ID, '/configs', '', 1)).map(({ path }) => path)).not.toContain('.git');
      });
    });

    describe('a terminal', () => {
      it('passes bytes both ways, changes its size, and ends with its shell', async () => {
        const { backend } = await started();
        const terminal = await backend.openTerminal?.(ID, { cols: 100, rows: 40 });
        if (!terminal) throw new Error('no terminal');
        let seen = '';
        terminal.onData((bytes) => {
          seen += Buffer.from(bytes).toString('latin1');
        });
        const said = (pattern: RegExp) => vi.waitFor(() => expect(seen).toMatch(pattern), PATIENCE);
        terminal.write(Buffer.from('stty size\n'));
        await said(/40 100/);
        terminal.resize({ cols: 80, rows: 25 });
        await vi.waitFor(() => {
          terminal.write(Buffer.from('stty size\n'));
          expect(seen).toMatch(/25 80/);
        }, PATIENCE);
        terminal.write(Buffer.from("echo -e '\\x00\\xff|'\n"));
        await vi.waitFor(() => expect(seen).toContain('\0\u00ff|'), PATIENCE);
        const ended = new Promise<void>((done) => terminal.onEnd(done));
        terminal.write(Buffer.from('exit\n'));
        await ended;
      });

      it('there is none where nothing runs', async () => {
        const { backend } = await open();
        expect(await backend.openTerminal?.(ID, { cols: 80, rows: 25 })).toBeNull();
      });
    });

    describe('what is ours', () => {
      it('is told by labels, with the names of others beside it', async () => {
        const { backend } = await started();
        const stranger = (name: string) => engine.docker.createContainer({ name, Image: `${IMAGE_PREFIX}echo:latest` });
        for (const name of ['ws-0123456789ab', 'ws-not-an-id-at', 'other-ws-0123456789ab']) await stranger(name);
        const { ids, prefixes } = (await backend.listWorkloads?.()) ?? { ids: [], prefixes: [] };
        expect(ids).toEqual([ID]);
        expect(prefixes.sort()).toEqual(['0123456789ab', ID.slice(0, 12)]);
        expect(await backend.listManaged()).toEqual([ID]);
      });

      it('cannot be told while the engine is away', async () => {
        const stage = await started();
        await stage.cutOff();
        await expect(stage.backend.listManaged()).rejects.toThrow();
        await expect(stage.backend.listWorkloads?.()).rejects.toThrow();
      });
    });
  },
);
