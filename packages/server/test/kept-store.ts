// A store that outlives the platform that writes it, for tests that kill one and start the next: embedded in a folder of its own,
// migrated already (to create one takes five seconds of processor time), or a database on a private PostgreSQL.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chosenStore, createDataDir, startPostgres } from '@molecule/testkit';
import { type Database, openDatabase } from '../src/platform/db/index.ts';
import { createLog } from '../src/platform/log.ts';

export interface KeptStore {
  dataDir: string;
  /** What a platform process needs to use it. */
  env: Record<string, string>;
  open(): Promise<Database>;
}

/** `onEnd` collects what takes it away again, to be called in reverse order. */
export async function createKeptStore(onEnd: (clean: () => Promise<unknown>) => void): Promise<KeptStore> {
  const isEmbedded = chosenStore() === 'pglite';
  const dataDir = isEmbedded ? await createDataDir() : await mkdtemp(join(tmpdir(), 'molecule-crash-'));
  onEnd(() => rm(dataDir, { recursive: true, force: true }));
  const log = createLog('silent');
  if (isEmbedded) return { dataDir, env: {}, open: () => openDatabase({ url: null, dataDir, log }) };
  const server = await startPostgres();
  onEnd(server.stop);
  const url = await server.createDatabase();
  onEnd(() => server.dropDatabase(url));
  return { dataDir, env: { DATABASE_URL: url }, open: () => openDatabase({ url, dataDir, log }) };
}
