// A Docker Engine of its own for tests: Debian's dockerd in a temporary folder, without a rule or a bridge in the host's own
// network set-up, and images made on the spot, as no registry can be reached. Everything is gone after `stop`.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import Dockerode from 'dockerode';
import { waitFor } from './wait.ts';

const DOCKERD = ['/usr/sbin/dockerd', '/usr/bin/dockerd'].find((file) => existsSync(file)) ?? 'dockerd';
const BUSYBOX = '/bin/busybox';
const NEEDS = [DOCKERD, '/usr/sbin/iptables', BUSYBOX];
const STOP_MS = 20_000;
const APPLETS = [
  'sh',
  'ls',
  'cat',
  'cp',
  'mv',
  'rm',
  'mkdir',
  'sleep',
  'stty',
  'echo',
  'id',
  'dd',
  'kill',
  'test',
  'true',
  'env',
];
const NODE_PATH = 'PATH=/usr/local/bin:/usr/bin:/bin';

export interface DockerEngine {
  /** As `DOCKER_HOST` names it. */
  host: string;
  socketPath: string;
  docker: Dockerode;
  /** A few megabytes: a shell and small tools, and whatever `files` adds. */
  makeToolImage(name: string, files: Record<string, string>, command: readonly string[]): Promise<void>;
  /** The same as one layer of an image, for a registry. */
  packTools(files: Record<string, string>): Buffer;
  /** The Node.js that runs the tests, with its libraries and the small tools: a base to build on. */
  makeNodeImage(name: string): Promise<void>;
  /** Whether containers may have all privileges here; a machine can withhold them from everybody. */
  grantsPrivileges(image: string): Promise<boolean>;
  /** `docker build` of a folder, without a network. */
  build(options: { folder: string; dockerfile: string; name: string; args: Record<string, string> }): Promise<void>;
  stop(): Promise<void>;
}

/** Why no engine can be started here; null when one can. */
export function whyNoDockerEngine(): string | null {
  if (process.platform !== 'linux') return 'a private Docker Engine needs Linux';
  if (process.getuid?.() !== 0) return 'a private Docker Engine needs root';
  const missing = NEEDS.filter((file) => !existsSync(file));
  return missing.length === 0 ? null : `not installed: ${missing.join(', ')}`;
}

/** Addresses set aside for measurements (RFC 2544): no network of this machine uses them. */
function choosePool(): { pool: string; gateway: string } {
  const block = `198.${18 + Math.floor(Math.random() * 2)}.${Math.floor(Math.random() * 256)}`;
  return { pool: `base=${block}.0/24,size=26`, gateway: `${block}.1` };
}

function spawnEngine(folder: string): ChildProcess {
  const { pool, gateway } = choosePool();
  const log = openSync(join(folder, 'log'), 'a');
  // Ends with this process, however that ends.
  return spawn(
    'setpriv',
    [
      '--pdeathsig',
      'TERM',
      DOCKERD,
      ...['--host', `unix://${join(folder, 'docker.sock')}`],
      ...['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec'), '--pidfile', join(folder, 'pid')],
      ...['--iptables=false', '--ip6tables=false', '--ip-masq=false', '--ip-forward=false', '--bridge=none'],
      ...['--default-address-pool', pool, '--host-gateway-ip', gateway],
      // A name nobody has is refused at once instead of after ten seconds.
      ...['--dns', '127.0.0.1', '--dns-opt', 'timeout:1', '--dns-opt', 'attempts:1'],
    ],
    { stdio: ['ignore', log, log] },
  );
}

function copyTools(root: string): void {
  mkdirSync(join(root, 'bin'), { recursive: true });
  copyFileSync(BUSYBOX, join(root, 'bin/busybox'));
  for (const applet of APPLETS) symlinkSync('busybox', join(root, 'bin', applet));
  for (const folder of ['etc', 'root', 'tmp']) mkdirSync(join(root, folder), { recursive: true, mode: 0o755 });
  execFileSync('chmod', ['1777', join(root, 'tmp')]);
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\n');
  writeFileSync(join(root, 'etc/nsswitch.conf'), 'hosts: files dns\n');
}

/** The program, what the linker says it needs, and the one library it opens by name. */
function copyNode(root: string): void {
  const libraries = execFileSync('ldd', [process.execPath])
    .toString()
    .split('\n')
    .flatMap((line) => /(\/\S+)/.exec(line)?.[1] ?? []);
  const realtime = libraries.map((file) => join(dirname(file), 'librt.so.1')).find((file) => existsSync(file));
  for (const file of new Set([...libraries, ...(realtime ? [realtime] : [])])) {
    mkdirSync(join(root, dirname(file)), { recursive: true });
    copyFileSync(file, join(root, file));
  }
  mkdirSync(join(root, 'usr/local/bin'), { recursive: true });
  copyFileSync(process.execPath, join(root, 'usr/local/bin/node'));
}

/** Of containers on the host's network the engine leaves one behind. */
function unmountLeftovers(folder: string): void {
  const left = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(`${folder}/`));
  for (const path of left.reverse()) execFileSync('umount', [path]);
}

export async function startDockerEngine(): Promise<DockerEngine> {
  const folder = mkdtempSync(join(tmpdir(), 'molecule-docker-'));
  const socketPath = join(folder, 'docker.sock');
  const child = spawnEngine(folder);
  const docker = new Dockerode({ socketPath });
  await waitFor('dockerd answers', async () => {
    if (child.exitCode !== null)
      throw new Error(`dockerd ended: ${readFileSync(join(folder, 'log'), 'utf8').slice(-2000)}`);
    return await docker.ping().then(
      () => true,
      () => false,
    );
  });

  const follow = (stream: NodeJS.ReadableStream) =>
    new Promise<void>((resolve, reject) =>
      docker.modem.followProgress(stream, (error: Error | null, lines: { error?: string }[] | null) => {
        const failed = error?.message ?? lines?.find((line) => line.error)?.error;
        if (failed) reject(new Error(failed));
        else resolve();
      }),
    );

  async function importFolder(root: string, name: string, changes: string[]): Promise<void> {
    const [repo, tag = 'latest'] = name.split(':');
    const archive = spawn('tar', ['-c', '.'], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
    const options = { repo, tag, changes };
    await follow(await docker.importImage(archive.stdout as never, options as object));
    rmSync(root, { recursive: true, force: true });
  }

  function makeToolFolder(files: Record<string, string>): string {
    const root = mkdtempSync(join(folder, 'image-'));
    copyTools(root);
    for (const [path, content] of Object.entries(files)) {
      mkdirSync(join(root, dirname(path)), { recursive: true });
      writeFileSync(join(root, path), content);
    }
    return root;
  }

  async function removeEverything(): Promise<void> {
    for (const { Id } of await docker.listContainers({ all: true }))
      await docker
        .getContainer(Id)
        .remove({ force: true })
        .catch(() => {});
    // Their bridges would stay on the machine.
    for (const { Id, Driver } of await docker.listNetworks())
      if (Driver === 'bridge')
        await docker
          .getNetwork(Id)
          .remove()
          .catch(() => {});
  }

  return {
    host: `unix://${socketPath}`,
    socketPath,
    docker,
    async makeToolImage(name, files, command) {
      const root = makeToolFolder(files);
      await importFolder(root, name, [`ENV ${NODE_PATH}`, `CMD ${JSON.stringify(command)}`]);
    },
    packTools(files) {
      const root = makeToolFolder(files);
      try {
        return execFileSync('tar', ['-c', '.'], { cwd: root, maxBuffer: 64 * 1024 * 1024 });
      } finally {
        rmSync(root, { recursive: true, force: true });
      }
    },
    async makeNodeImage(name) {
      const root = mkdtempSync(join(folder, 'image-'));
      copyTools(root);
      copyNode(root);
      await importFolder(root, name, [`ENV ${NODE_PATH}`, 'CMD ["node"]']);
    },
    async grantsPrivileges(image) {
      const probe = await docker.createContainer({
        Image: image,
        HostConfig: { Privileged: true, NetworkMode: 'none' },
      });
      const granted = await probe.start().then(
        () => true,
        () => false,
      );
      await probe.remove({ force: true });
      return granted;
    },
    async build({ folder: context, dockerfile, name, args }) {
      const archive = spawn('tar', ['-c', '.'], { cwd: context, stdio: ['ignore', 'pipe', 'inherit'] });
      await follow(
        await docker.buildImage(archive.stdout, { t: name, dockerfile, buildargs: args, networkmode: 'none' }),
      );
    },
    async stop() {
      await removeEverything();
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      const patience = AbortSignal.timeout(STOP_MS);
      patience.addEventListener('abort', () => child.kill('SIGKILL'), { once: true });
      await ended;
      unmountLeftovers(folder);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
