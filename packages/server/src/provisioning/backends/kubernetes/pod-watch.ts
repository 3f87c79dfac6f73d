// Follows the pods of all workloads: one list, then a watch from its version on; a version that is no longer kept means a new list.
// What it tells is a hint to look, and the latest state of each pod. It has no timer: whoever looks regularly opens it again.

import type { V1Pod } from '@kubernetes/client-node';
import type { Logger } from '../../../platform/log.ts';
import { bounded, type Cluster, isGone } from './cluster.ts';
import { SELECTOR } from './manifests.ts';

export interface PodWatchOptions {
  cluster(): Promise<Cluster>;
  onPod(pod: V1Pod): void;
  log: Logger;
}

const PAGE = 500;

export function createPodWatch({ cluster, onPod, log }: PodWatchOptions) {
  const pods = new Map<string, V1Pod>();
  const waiting = new Set<() => void>();
  /** From where the next watch goes on; null = list first. */
  let version: string | null = null;
  let opening: Promise<void> | null = null;
  let controller: AbortController | null = null;
  let closed = false;

  function wake(): void {
    for (const resolve of waiting) resolve();
    waiting.clear();
  }

  function see(pod: V1Pod): void {
    pods.set(pod.metadata?.uid ?? '', pod);
    onPod(pod);
  }

  async function relist({ core, namespace }: Cluster): Promise<void> {
    const seen = new Set<string>();
    let next: string | undefined;
    let listed: string | undefined;
    do {
      const page = await bounded(
        core.listNamespacedPod({
          namespace,
          labelSelector: SELECTOR,
          limit: PAGE,
          ...(next ? { _continue: next } : {}),
        }),
      );
      for (const pod of page.items) {
        seen.add(pod.metadata?.uid ?? '');
        see(pod);
      }
      listed = page.metadata?.resourceVersion;
      next = page.metadata?._continue || undefined;
    } while (next);
    for (const uid of pods.keys()) if (!seen.has(uid)) pods.delete(uid);
    version = listed ?? null;
    wake();
  }

  function take(type: string, object: V1Pod & { code?: number }): void {
    if (type === 'ERROR') {
      // Told inside the stream: the version is too old, or the server is going.
      version = null;
      controller?.abort();
      return;
    }
    version = object.metadata?.resourceVersion ?? version;
    if (type === 'BOOKMARK') return;
    if (type === 'DELETED') pods.delete(object.metadata?.uid ?? '');
    else see(object);
    wake();
  }

  function end(mine: AbortController | null, error: unknown): void {
    if (controller === mine) controller = null;
    if (isGone(error)) version = null;
    else if (error && !closed) log.debug({ err: error }, 'the watch on the pods ended');
    wake();
  }

  async function open(): Promise<void> {
    const reached = await cluster();
    if (version === null) await relist(reached);
    let mine: AbortController | null = null;
    let ended = false;
    mine = await bounded(
      reached.watch.watch(
        `/api/v1/namespaces/${reached.namespace}/pods`,
        { labelSelector: SELECTOR, allowWatchBookmarks: true, resourceVersion: version ?? '' },
        take,
        (error: unknown) => {
          ended = true;
          end(mine, error);
        },
      ),
    );
    if (closed) mine.abort();
    else if (!ended) controller = mine;
  }

  return {
    /** Opens the watch unless it is open. @throws when the cluster cannot be reached. */
    async ensureOpen(): Promise<void> {
      if (closed || controller !== null) return;
      opening ??= open().finally(() => {
        opening = null;
      });
      await opening;
    },
    list: (): V1Pod[] => [...pods.values()],
    /** Resolves with the next change of any pod. */
    nextChange: () => new Promise<void>((resolve) => waiting.add(resolve)),
    close(): void {
      closed = true;
      controller?.abort();
      wake();
    },
  };
}

export type PodWatch = ReturnType<typeof createPodWatch>;
