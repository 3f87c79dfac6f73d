// HTTP of image pins and of refreshing (chapter 10 §2.5).

import { imageRoutes } from '@molecule/contract';
import type { FastifyInstance } from 'fastify';
import type { Database } from '../../platform/db/index.ts';
import { notFound, PlatformError } from '../../platform/errors.ts';
import { type Authorize, mount } from '../../platform/http.ts';
import { describePrincipal } from '../../platform/principal.ts';
import { assertKnownRuntime } from '../../workspaces/index.ts';
import { type ImageRefresh, RefreshIncompleteError } from './refresh.ts';
import * as store from './store.ts';

export interface ImageRouteDeps {
  db: Database;
  /** Null where the backend has no images. */
  refresh: ImageRefresh | null;
  listRuntimes(): string[];
}

const pinOf = (row: store.PinRow) => ({ ...row, updated_at: row.updated_at.toISOString() });

export function mountImageRoutes(app: FastifyInstance, authorize: Authorize, deps: ImageRouteDeps): void {
  const { db, refresh, listRuntimes } = deps;
  mount(
    app,
    imageRoutes,
    {
      refreshImages: async ({ query }) => {
        if (query.runtime !== undefined) assertKnownRuntime(query.runtime);
        if (refresh === null) throw new PlatformError('no_images', 'this platform has no images to refresh');
        const runtimes = query.runtime === undefined ? listRuntimes() : [query.runtime];
        try {
          return await refresh.refresh(runtimes, query.recreate === 'true');
        } catch (error) {
          if (!(error instanceof RefreshIncompleteError)) throw error;
          throw new PlatformError(
            'refresh_incomplete',
            'images were pulled, but running workloads could not be listed',
            { partial_result: error.partial },
            { cause: error },
          );
        }
      },
      listImagePins: async () => (await store.listPins(db.kysely)).map(pinOf),
      putImagePin: async ({ params, body, principal }) => {
        assertKnownRuntime(params.template);
        return pinOf(await store.savePin(db.kysely, params.template, body.digest, describePrincipal(principal)));
      },
      rollbackImagePin: async ({ params, principal }) => {
        const swapped = await store.swapPin(db.kysely, params.template, describePrincipal(principal));
        if (swapped) return pinOf(swapped);
        if ((await store.findDigest(db.kysely, params.template)) === null) throw notFound('pin');
        throw new PlatformError('conflict', 'there is no image before this one');
      },
      deleteImagePin: async ({ params }) => {
        if (!(await store.deletePin(db.kysely, params.template))) throw notFound('pin');
        return { status: 'unpinned' as const };
      },
    },
    authorize,
  );
}
