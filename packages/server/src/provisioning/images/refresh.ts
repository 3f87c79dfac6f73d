// Newer images for runtimes (chapter 10 §7.8): on request, and when a watcher sees that the registry has one. What was ended here
// is started anew by the health sweep, like everything that should run and does not.

import type { Logger } from '../../platform/log.ts';
import type { BackendImages } from '../backend.ts';

const PULL_LIMIT_MS = 300_000;

export interface RefreshResult {
  /** Runtimes. */
  pulled: string[];
  failed: string[];
  /** Ids of workspaces. */
  recreated: string[];
}

/** Images are newer, but what runs the older ones is not known. */
export class RefreshIncompleteError extends Error {
  readonly partial: RefreshResult;
  constructor(partial: RefreshResult, cause: unknown) {
    super('the workloads of a runtime could not be listed', { cause });
    this.name = 'RefreshIncompleteError';
    this.partial = partial;
  }
}

export interface RefreshDeps {
  images: BackendImages;
  listRuntimes(): string[];
  log: Logger;
}

export function createImageRefresh({ images, listRuntimes, log }: RefreshDeps) {
  /** By runtime, what the registry had when it was last asked. In memory: after a start everything counts as seen. */
  const seen = new Map<string, string>();

  async function pull(runtime: string): Promise<boolean> {
    try {
      await images.pull(runtime, AbortSignal.timeout(PULL_LIMIT_MS));
      return true;
    } catch (error) {
      log.warn({ err: error, runtime }, 'the image of a runtime could not be pulled');
      return false;
    }
  }

  /** One failing runtime is no reason to leave the others old. @throws RefreshIncompleteError */
  async function refresh(runtimes: readonly string[], recreate: boolean): Promise<RefreshResult> {
    const outcomes = await Promise.all(runtimes.map(pull));
    const result: RefreshResult = {
      pulled: runtimes.filter((_, index) => outcomes[index]),
      failed: runtimes.filter((_, index) => !outcomes[index]),
      recreated: [],
    };
    if (!recreate) return result;
    for (const runtime of result.pulled) {
      try {
        result.recreated.push(...(await images.recreate(runtime)));
      } catch (error) {
        throw new RefreshIncompleteError(result, error);
      }
    }
    return result;
  }

  /** @returns whether a newer image was taken. What failed counts as unseen, so that the next look retries. */
  async function watchOne(runtime: string): Promise<boolean> {
    const digest = await images.registryDigest(runtime);
    // What is seen for the first time is old news.
    const isNewer = (seen.get(runtime) ?? digest) !== digest;
    if (isNewer) {
      const { failed } = await refresh([runtime], true);
      if (failed.length > 0) throw new Error(`the newer image of ${runtime} could not be pulled`);
      log.info({ runtime, digest }, 'a newer image of a runtime is here');
    }
    seen.set(runtime, digest);
    return isNewer;
  }

  /** One look at every runtime whose image is here. */
  async function watch(): Promise<Record<string, number>> {
    const counts = { checked: 0, refreshed: 0, failed: 0 };
    for (const runtime of listRuntimes()) {
      try {
        if (!(await images.has(runtime))) continue;
        counts.checked += 1;
        if (await watchOne(runtime)) counts.refreshed += 1;
      } catch (error) {
        counts.failed += 1;
        log.warn({ err: error, runtime }, 'the image of a runtime could not be watched');
      }
    }
    return counts;
  }

  return { refresh, watch };
}

export type ImageRefresh = ReturnType<typeof createImageRefresh>;
