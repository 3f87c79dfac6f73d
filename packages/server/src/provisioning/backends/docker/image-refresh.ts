// Newer images for running workloads (chapter 10 §7.8): what the registry has, pulling it, and ending the containers that run an
// older one. When to do so is provisioning's business; the health sweep starts them anew.

import type Dockerode from 'dockerode';
import type { BackendImages } from '../../backend.ts';
import { imageOf, isUnpinnedOf } from '../image-reference.ts';
import { findIdPrefix, WORKSPACE_LABEL } from '../workload-names.ts';
import { isNotFound, isRemovalInProgress } from './engine-errors.ts';
import type { EngineImages } from './images.ts';

export interface ImageRefreshOptions {
  engine: Dockerode;
  images: EngineImages;
  imagePrefix: string;
  listContainers(): Promise<Dockerode.ContainerInfo[]>;
}

export function createImageRefresh({
  engine,
  images,
  imagePrefix,
  listContainers,
}: ImageRefreshOptions): BackendImages {
  const newest = (runtime: string) => imageOf(imagePrefix, runtime, null);

  /** As it was configured: the listing shows a bare digest once the tag has moved on. */
  async function followsTag(container: Dockerode.Container, runtime: string): Promise<boolean> {
    try {
      const { Config } = await container.inspect();
      return isUnpinnedOf(Config.Image, `${imagePrefix}${runtime}`);
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  return {
    has: async (runtime) => (await images.inspect(newest(runtime))) !== null,
    registryDigest: (runtime) => images.registryDigest(newest(runtime)),
    pull: (runtime, signal) => images.pull(newest(runtime), signal),
    async recreate(runtime) {
      const ended: string[] = [];
      for (const { Id, Names, Labels } of await listContainers()) {
        const name = Names.find((one) => findIdPrefix(one) !== null);
        const container = engine.getContainer(Id);
        if (name === undefined || !(await followsTag(container, runtime))) continue;
        await container.remove({ force: true }).catch((error: unknown) => {
          if (!isNotFound(error) && !isRemovalInProgress(error)) throw error;
        });
        ended.push(Labels[WORKSPACE_LABEL] ?? name.replace(/^\//, ''));
      }
      return ended;
    },
  };
}
