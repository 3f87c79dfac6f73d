// The file store of a container backend (chapter 30 §3.4): archive calls, which need no tool in the image and work on a stopped
// container and on a helper alike. Only what replaces and deletes in place needs a program, and that one never sees a shell.

import { randomBytes } from 'node:crypto';
import { posix } from 'node:path';
import type Dockerode from 'dockerode';
import { type FileEntry, FilePathError, type FileStore, FileTooLargeError, HIDDEN_NAMES } from '../../file-store.ts';
import { runInContainer, runToEnd } from './run.ts';
import { readArchive } from './tar.ts';
import type { PathStat, Place, Volumes } from './volumes.ts';

const CONFIGS = '/configs';
const STAGING = '.molecule-incoming-';
/** A listing ends here, like that of the other backends. */
const MOST_ENTRIES = 20_000;

const isHidden = (path: string) =>
  path.split('/').some((segment) => HIDDEN_NAMES.has(segment) || segment.startsWith(STAGING));

export interface ContainerFilesOptions {
  volumes: Volumes;
  /** An image with the usual tools, for a volume whose workload has no container. @throws when none is here. */
  findToolImage(): Promise<string>;
}

export function createContainerFiles({ volumes, findToolImage }: ContainerFilesOptions): FileStore {
  /** What lies at the path. Null when nothing does, or a link on the way could lead elsewhere. */
  async function find(container: Dockerode.Container, root: string, path: string): Promise<PathStat | null> {
    const segments = path.split('/').filter(Boolean);
    let stat = await volumes.statPath(container, root);
    for (let depth = 1; depth <= segments.length; depth += 1) {
      if (stat === null || stat.isLink || !stat.isDirectory) return null;
      stat = await volumes.statPath(container, posix.join(root, ...segments.slice(0, depth)));
    }
    return stat?.isLink ? null : stat;
  }

  async function listAt({ container }: Place, root: string, path: string, depth: number): Promise<FileEntry[]> {
    const folder = posix.join(root, path);
    if (!(await find(container, root, path))?.isDirectory) return [];
    const base = posix.basename(folder);
    const entries: FileEntry[] = [];
    await readArchive(await container.getArchive({ path: folder }), ({ path: name, size, kind }) => {
      // Entries are named from the folder's own name on.
      const below = posix.relative(base, name);
      if (below === '' || kind === 'other' || below.split('/').length > depth || isHidden(below)) return null;
      if (entries.length < MOST_ENTRIES)
        entries.push({ path: posix.join(path, below), size: kind === 'file' ? size : 0, dir: kind === 'directory' });
      return null;
    });
    return entries;
  }

  /** Nothing of ours may be written through a link, or over a folder. */
  async function assertWritable(container: Dockerode.Container, path: string): Promise<void> {
    const segments = path.split('/');
    for (let depth = 1; depth <= segments.length; depth += 1) {
      const stat = await volumes.statPath(container, posix.join(CONFIGS, ...segments.slice(0, depth)));
      if (stat === null) return;
      const isLast = depth === segments.length;
      if (stat.isLink || stat.isDirectory === isLast) throw new FilePathError(path);
    }
  }

  /** Beside their places first, then moved there, so that a running agent never reads half a file. */
  async function replaceInPlace(container: Dockerode.Container, files: Record<string, string>): Promise<void> {
    const staging = `${STAGING}${randomBytes(6).toString('hex')}`;
    const names = Object.keys(files);
    const folders = [...new Set(names.map((name) => posix.dirname(name)))].filter((name) => name !== '.');
    await volumes.writeInto(
      container,
      CONFIGS,
      Object.fromEntries(names.map((name, index) => [`${staging}/${index}`, files[name] ?? ''])),
    );
    try {
      if (folders.length > 0)
        await runInContainer(container, ['mkdir', '-p', '--', ...folders.map((name) => posix.join(CONFIGS, name))]);
      for (const [index, name] of names.entries())
        await runInContainer(container, [
          'mv',
          '-f',
          '--',
          `${CONFIGS}/${staging}/${index}`,
          posix.join(CONFIGS, name),
        ]);
    } finally {
      await runInContainer(container, ['rm', '-rf', '--', `${CONFIGS}/${staging}`]);
    }
  }

  async function write(id: string, files: Record<string, string>): Promise<void> {
    await volumes.writeConfig(id, {});
    await volumes.withPlace(id, async ({ container, running }) => {
      for (const path of Object.keys(files)) await assertWritable(container, path);
      if (running) await replaceInPlace(container, files);
      else await volumes.writeInto(container, CONFIGS, files);
    });
  }

  async function remove(id: string, path: string): Promise<boolean> {
    const target = posix.join(CONFIGS, path);
    const removed = await volumes.withPlace(id, async ({ container, running }) => {
      const stat = await find(container, CONFIGS, path);
      if (stat === null || stat.isDirectory) return false;
      const command = ['rm', '-f', '--', target];
      if (running) await runInContainer(container, command);
      else {
        const image = await findToolImage();
        await runToEnd(
          await volumes.createHelper(id, image, { Entrypoint: command.slice(0, 1), Cmd: command.slice(1) }),
        );
      }
      return true;
    });
    return removed ?? false;
  }

  return {
    source: async (id) => ((await volumes.withPlace(id, async (place) => place.running)) ? 'container' : 'volume'),
    list: async (id, root, path, depth) =>
      (await volumes.withPlace(id, (place) => listAt(place, root, path, depth))) ?? [],
    read: async (id, root, path, limitBytes) =>
      await volumes.withPlace(id, async ({ container }) => {
        const stat = await find(container, root, path);
        if (stat === null || stat.isDirectory) return null;
        if (stat.size > limitBytes) throw new FileTooLargeError(limitBytes);
        const content = await volumes.readFile(container, posix.join(root, path), limitBytes);
        // It grew after we looked.
        if (content === null) throw new FileTooLargeError(limitBytes);
        return content;
      }),
    write,
    remove,
  };
}
