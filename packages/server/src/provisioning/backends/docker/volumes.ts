// The volumes of a workspace, reached through its container or, when it has none, through a helper that never runs
// (chapter 10 §7.5, chapter 30 §3.4). Owns what is stored; the workload itself is index.ts' business.

import { randomBytes } from 'node:crypto';
import type Dockerode from 'dockerode';
import {
  configVolume,
  containerName,
  labelsOf,
  listVolumeNames,
  MANAGED_LABEL,
  workspaceVolume,
} from '../workload-names.ts';
import { isNotFound } from './engine-errors.ts';
import { packFiles, readArchive } from './tar.ts';

/** Empty: its containers are never started, they only give the archive calls something to look into. */
const HELPER_IMAGE = 'molecule-volume-helper:1';
export const HELPER_LABEL = 'molecule.volume.helper';
/** Bits of Go's `FileMode`. */
const DIRECTORY_MODE = 1 << 31;
const SYMLINK_MODE = 1 << 27;

export interface PathStat {
  size: number;
  isDirectory: boolean;
  isLink: boolean;
}

/** A container's file system as the archive calls show it. */
export interface Place {
  /** The workload's own container runs. */
  running: boolean;
  container: Dockerode.Container;
}

export function createVolumes(engine: Dockerode) {
  async function ensureHelperImage(): Promise<void> {
    try {
      await engine.getImage(HELPER_IMAGE).inspect();
    } catch (error) {
      if (!isNotFound(error)) throw error;
      const [repo, tag] = HELPER_IMAGE.split(':');
      const stream = await engine.importImage((await packFiles({ 'volume-helper': '' })) as never, { repo, tag });
      await new Promise<void>((resolve, reject) =>
        engine.modem.followProgress(stream, (failed: Error | null) => (failed ? reject(failed) : resolve())),
      );
    }
  }

  const hasVolume = async (name: string): Promise<boolean> => {
    try {
      await engine.getVolume(name).inspect();
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  };

  async function ensureVolume(id: string, name: string): Promise<void> {
    await engine.createVolume({ Name: name, Labels: labelsOf(id) });
  }

  async function createHelper(id: string, image: string, changes: Dockerode.ContainerCreateOptions = {}) {
    const mount = (Source: string, Target: string) => ({ Type: 'volume' as const, Source, Target });
    const hasWorkspace = await hasVolume(workspaceVolume(id));
    return await engine.createContainer({
      name: `molecule-volume-${randomBytes(6).toString('hex')}`,
      Image: image,
      Cmd: ['-'],
      Labels: { [MANAGED_LABEL]: 'true', [HELPER_LABEL]: 'true' },
      ...changes,
      HostConfig: {
        NetworkMode: 'none',
        Mounts: [
          mount(configVolume(id), '/configs'),
          ...(hasWorkspace ? [mount(workspaceVolume(id), '/workspace')] : []),
        ],
      },
    });
  }

  /** Null when there is neither a container nor a volume. */
  async function withPlace<T>(id: string, work: (place: Place) => Promise<T>): Promise<T | null> {
    const container = engine.getContainer(containerName(id));
    try {
      const { State } = await container.inspect();
      return await work({ container, running: State.Running && !State.Restarting && !State.Paused });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    if (!(await hasVolume(configVolume(id)))) return null;
    await ensureHelperImage();
    const helper = await createHelper(id, HELPER_IMAGE);
    try {
      return await work({ container: helper, running: false });
    } finally {
      await helper.remove({ force: true });
    }
  }

  /** Null when nothing is there. */
  async function statPath(container: Dockerode.Container, path: string): Promise<PathStat | null> {
    try {
      const { headers } = (await container.infoArchive({ path })) as { headers: Record<string, string> };
      const stat = JSON.parse(Buffer.from(headers['x-docker-container-path-stat'] ?? '', 'base64').toString()) as {
        size: number;
        mode: number;
      };
      return {
        size: stat.size,
        isDirectory: (stat.mode & DIRECTORY_MODE) !== 0,
        isLink: (stat.mode & SYMLINK_MODE) !== 0,
      };
    } catch (error) {
      if (isNotFound(error)) return null;
      throw error;
    }
  }

  async function writeInto(container: Dockerode.Container, folder: string, files: Record<string, string>) {
    if (Object.keys(files).length > 0) await container.putArchive(await packFiles(files), { path: folder });
  }

  /** Content of a regular file; null when there is none. @param limitBytes what the caller is ready to hold. */
  async function readFile(container: Dockerode.Container, path: string, limitBytes: number): Promise<Buffer | null> {
    const chunks: Buffer[] = [];
    let held = 0;
    let found = false;
    const stream = await container.getArchive({ path });
    await readArchive(stream, (entry) => {
      if (entry.kind !== 'file') return null;
      found = true;
      return (chunk) => {
        held += chunk.length;
        if (held <= limitBytes) chunks.push(chunk);
      };
    });
    return found && held <= limitBytes ? Buffer.concat(chunks) : null;
  }

  return {
    ensureVolume,
    createHelper,
    withPlace,
    statPath,
    writeInto,
    readFile,
    /** Into the configs volume, whether there is a container or not; the volume is made when it is missing. */
    async writeConfig(id: string, files: Record<string, string>): Promise<void> {
      await ensureVolume(id, configVolume(id));
      await withPlace(id, ({ container }) => writeInto(container, '/configs', files));
    },
    /** @throws when one may still be there. */
    async remove(id: string): Promise<void> {
      for (const name of listVolumeNames(id)) await removeVolume(name);
    },
    removeVolume,
    /** Helpers of a platform that died in the middle of a call. */
    async removeOldHelpers(olderThanMs: number): Promise<void> {
      const helpers = await engine.listContainers({ all: true, filters: { label: [HELPER_LABEL] } });
      const limit = Date.now() - olderThanMs;
      for (const { Id, Created } of helpers)
        if (Created * 1000 < limit) await engine.getContainer(Id).remove({ force: true });
    },
  };

  async function removeVolume(name: string): Promise<void> {
    try {
      await engine.getVolume(name).remove();
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}

export type Volumes = ReturnType<typeof createVolumes>;
