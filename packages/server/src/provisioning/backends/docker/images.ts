// Images on the engine: whether one is there, pulled when it has to be, and which digest is really used (chapter 10 §7.5, §7.8).

import type Dockerode from 'dockerode';
import type { DockerSettings } from '../../../config.ts';
import type { Logger } from '../../../platform/log.ts';
import { StartRefusedError } from '../../backend.ts';
import { isLocalOnly, isMoving, parseImageReference } from '../image-reference.ts';
import { isMissingImage, isNotFound } from './engine-errors.ts';

export interface EngineImagesOptions {
  engine: Dockerode;
  /** `linux/amd64` and the like; null = the engine's own. */
  platform: string | null;
  login: DockerSettings['registryLogin'];
  log: Logger;
}

interface PullLine {
  error?: string;
}

export function createEngineImages({ engine, platform, login, log }: EngineImagesOptions) {
  const authconfig = login === null ? {} : { authconfig: { ...login, serveraddress: '' } };

  async function inspect(reference: string): Promise<Dockerode.ImageInspectInfo | null> {
    try {
      return await engine.getImage(reference).inspect();
    } catch (error) {
      if (isNotFound(error)) return null;
      throw error;
    }
  }

  /** The answer is a stream of progress: only its end says that the image is there, and an error hides in a line. */
  async function pull(reference: string, signal: AbortSignal): Promise<void> {
    const { repository, digest } = parseImageReference(reference);
    // Of a tag beside a digest the engine wants to hear nothing.
    const stream = await engine.pull(digest === null ? reference : `${repository}@${digest}`, {
      ...authconfig,
      ...(platform === null ? {} : { platform }),
      abortSignal: signal,
    });
    await new Promise<void>((resolve, reject) => {
      const abort = () => (stream as NodeJS.ReadableStream & { destroy(error: Error): void }).destroy(signal.reason);
      signal.addEventListener('abort', abort, { once: true });
      engine.modem.followProgress(stream, (error: Error | null, lines: PullLine[] | null) => {
        signal.removeEventListener('abort', abort);
        const failed = error ?? lines?.find((line) => line.error);
        if (signal.aborted) reject(signal.reason);
        else if (failed) reject(new Error(error?.message ?? (failed as PullLine).error));
        else resolve();
      });
    });
  }

  /**
   * Makes the image of a start available: pulled when it is missing, or when it may have changed under its tag.
   * @throws StartRefusedError when there is none, naming the runtime.
   */
  async function ensure(reference: string, runtime: string, signal: AbortSignal): Promise<Dockerode.ImageInspectInfo> {
    const cached = await inspect(reference);
    if (cached && !isMoving(reference)) return cached;
    try {
      if (!isLocalOnly(reference)) await pull(reference, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (cached) {
        log.info({ err: error, image: reference }, 'the image could not be pulled; the cached one is used');
        return cached;
      }
      if (!isMissingImage(error)) log.warn({ err: error, image: reference }, 'the image could not be pulled');
    }
    const image = await inspect(reference);
    if (image) return image;
    throw new StartRefusedError(
      `there is no image ${reference} for the runtime ${runtime}, and it cannot be pulled; build or pull it on the engine, or set MOLECULE_IMAGE_PREFIX`,
      { image: reference },
    );
  }

  return {
    inspect,
    pull,
    ensure,
    /** Of the registry the image came from; the engine's own id for one that was built here. */
    digestOf(image: Dockerode.ImageInspectInfo, reference: string): string {
      const { repository } = parseImageReference(reference);
      const digests = image.RepoDigests?.map(parseImageReference) ?? [];
      const own = digests.find((one) => one.repository === repository) ?? digests[0];
      return own?.digest ?? image.Id;
    },
    /** What the registry holds under the reference now. */
    async registryDigest(reference: string): Promise<string> {
      const { Descriptor } = await engine.getImage(reference).distribution(authconfig);
      return Descriptor.digest;
    },
    /** Any image of ours: it has the tools a runtime needs. Null when none is here. */
    async findAny(prefix: string): Promise<string | null> {
      const images = await engine.listImages();
      const own = images.find((image) => image.RepoTags?.some((tag) => tag.startsWith(prefix)));
      return own?.Id ?? null;
    },
  };
}

export type EngineImages = ReturnType<typeof createEngineImages>;
