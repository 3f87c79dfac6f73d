// The two stores a claim is made for. PostgreSQL is a server of its own that syncs like a real one, or the one that
// MOLECULE_TEST_POSTGRES_URL names; the embedded store is a folder.

import { startPostgres } from '@molecule/testkit/postgres';
import type { Stage } from './stage.ts';

export interface Store {
  name: 'postgres' | 'embedded';
  /** Null = embedded in the data directory. */
  url: string | null;
  dataDir: string;
}

export interface Stores {
  /** An empty store. */
  postgres(): Promise<Store>;
  embedded(): Promise<Store>;
}

export async function prepareStores(stage: Stage): Promise<Stores> {
  const server = await startPostgres({ durable: true });
  stage.atEnd(() => server.stop());
  return {
    async postgres() {
      const url = await server.createDatabase();
      stage.atEnd(() => server.dropDatabase(url));
      return { name: 'postgres', url, dataDir: await stage.folder() };
    },
    embedded: async () => ({ name: 'embedded', url: null, dataDir: await stage.folder() }),
  };
}
