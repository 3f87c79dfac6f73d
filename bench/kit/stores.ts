// The two stores a claim is made for. PostgreSQL is a server of its own that syncs like a real one, or the one that
// MOLECULE_TEST_POSTGRES_URL names; the embedded store is a folder.

import { startPostgres } from '@molecule/testkit/postgres';
import type { Stage } from './stage.ts';

export const STORE_NAMES = ['postgres', 'embedded'] as const;
export type StoreName = (typeof STORE_NAMES)[number];

export interface Store {
  name: StoreName;
  /** Null = embedded in the data directory. */
  url: string | null;
  dataDir: string;
}

export interface Stores {
  /** An empty store. */
  postgres(): Promise<Store>;
  embedded(): Promise<Store>;
}

/** PostgreSQL is started here, so that no measurement waits for it; not when only the embedded store is asked for. */
export async function prepareStores(
  stage: Stage,
  { stores }: { stores: readonly StoreName[] } = { stores: STORE_NAMES },
): Promise<Stores> {
  const server = stores.includes('postgres') ? await startPostgres({ durable: true }) : null;
  if (server !== null) stage.atEnd(() => server.stop());
  return {
    async postgres() {
      if (server === null) throw new Error('this bench did not ask for PostgreSQL');
      const url = await server.createDatabase();
      stage.atEnd(() => server.dropDatabase(url));
      return { name: 'postgres', url, dataDir: await stage.folder() };
    },
    embedded: async () => ({ name: 'embedded', url: null, dataDir: await stage.folder() }),
  };
}
