// Workloads of a backend that only this process can see belong to one platform per database: a second one, with folders of its own,
// would take every workload of the first for dead and start it again. The owner is the data directory, so a restart keeps it.

import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Database, DatabaseStartError } from '../platform/db/index.ts';
import type { Logger } from '../platform/log.ts';
import type { Loop } from '../platform/loops.ts';
import * as store from './store.ts';

const NAME = 'local-workloads';
const HELD_FOR_SECONDS = 60;

export interface Ownership {
  /** @throws DatabaseStartError workloads_elsewhere while another data directory has them. */
  claim(): Promise<void>;
  release(): Promise<void>;
  loop: Loop;
}

/** Made once per data directory. */
function readOwnerId(dataDir: string): string {
  const path = join(dataDir, 'workload-owner');
  mkdirSync(dataDir, { recursive: true });
  try {
    writeFileSync(path, randomUUID(), { flag: 'wx', mode: 0o600 });
  } catch (error) {
    if ((error as { code?: string }).code !== 'EEXIST') throw error;
  }
  return readFileSync(path, 'utf8').trim();
}

export function createOwnership({ db, dataDir, log }: { db: Database; dataDir: string; log: Logger }): Ownership {
  const owner = readOwnerId(dataDir);
  return {
    async claim() {
      if (await store.holdLease(db.kysely, NAME, owner, HELD_FOR_SECONDS)) return;
      throw new DatabaseStartError(
        'workloads_elsewhere',
        'another Molecule on this database runs agents as processes of its own',
        `stop it and wait ${HELD_FOR_SECONDS} s, or start this one with MOLECULE_PROVISIONER=none npm start`,
      );
    },
    release: () => store.dropLease(db.kysely, NAME, owner),
    loop: {
      name: 'workload-ownership',
      why: 'A second platform on the same database would start the agents of this one again.',
      everyMs: 20_000,
      timeoutMs: 10_000,
      runs: 'every-replica',
      async run() {
        const held = await store.holdLease(db.kysely, NAME, owner, HELD_FOR_SECONDS);
        if (!held) log.error('another platform has taken over the agents that run as processes of this one');
        return { held: held ? 1 : 0 };
      },
    },
  };
}
