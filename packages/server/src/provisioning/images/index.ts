// Images of runtimes: which one a start takes, and taking newer ones (chapter 10 §7.5, §7.8). Pulling is the backend's.

import type { FastifyInstance } from 'fastify';
import type { Database } from '../../platform/db/index.ts';
import type { Authorize } from '../../platform/http.ts';
import type { Logger } from '../../platform/log.ts';
import type { Loop } from '../../platform/loops.ts';
import { listKnownRuntimes } from '../../workspaces/index.ts';
import type { Backend } from '../backend.ts';
import { createImageRefresh } from './refresh.ts';
import { mountImageRoutes } from './routes.ts';
import * as store from './store.ts';

export interface ImagesDeps {
  db: Database;
  backend: Backend;
  /** Look for newer images from time to time. */
  autoRefresh: boolean;
  log: Logger;
}

/** `external` agents run from no image of ours. */
const listRuntimes = () => listKnownRuntimes().filter((runtime) => runtime !== 'external');

export function createImages({ db, backend, autoRefresh, log }: ImagesDeps) {
  const refresh = backend.images ? createImageRefresh({ images: backend.images, listRuntimes, log }) : null;
  const watcher: Loop | null =
    refresh && autoRefresh
      ? {
          name: 'image-auto-refresh',
          why: 'Agents would go on running an image for which there is a newer one.',
          everyMs: 300_000,
          timeoutMs: 600_000,
          runs: 'one-replica',
          run: () => refresh.watch(),
        }
      : null;

  return {
    /** The digest a runtime is pinned to. A pin that cannot be read must not keep an agent from starting: then the tag counts. */
    async findPin(runtime: string): Promise<string | null> {
      try {
        return await store.findDigest(db.kysely, runtime);
      } catch (error) {
        log.warn({ err: error, runtime }, 'the image pin of a runtime could not be read; its tag is used');
        return null;
      }
    },
    loops: watcher ? [watcher] : [],
    mount: (app: FastifyInstance, authorize: Authorize) =>
      mountImageRoutes(app, authorize, { db, refresh, listRuntimes }),
  };
}

export type Images = ReturnType<typeof createImages>;
