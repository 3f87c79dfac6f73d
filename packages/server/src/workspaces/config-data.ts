// The configuration of a seat as data (chapter 10 §2.3): seeded when it is created, merged key by key afterwards.
// It is what people and agents note there; the runtime reads its files, not this.

import { MAX_CONFIG_BYTES } from '@molecule/contract';
import type { Database } from '../platform/db/index.ts';
import { notFound, PlatformError } from '../platform/errors.ts';
import type { WorkspaceRow } from './lifecycle.ts';
import * as store from './store.ts';

export type ConfigData = Record<string, unknown>;

/** What a new seat begins with, whether or not a backend will ever start it. */
export function seedConfig({ name, runtime, tier, template }: WorkspaceRow): ConfigData {
  return { name, runtime, tier, template };
}

export interface ConfigStore {
  /** `{}` when nothing was ever stored. */
  read(id: string): Promise<ConfigData>;
  /** @returns the whole. @throws not_found, body_too_large when the whole would not fit */
  merge(id: string, changes: ConfigData): Promise<ConfigData>;
}

export function createConfigStore(db: Database): ConfigStore {
  return {
    read: (id) => store.readConfig(db.kysely, id),
    merge: (id, changes) =>
      db.tx(async (trx) => {
        if ((await store.lockLive(trx, [id])) === 0) throw notFound('workspace');
        const data = { ...(await store.readConfig(trx, id)), ...changes };
        if (Buffer.byteLength(JSON.stringify(data)) > MAX_CONFIG_BYTES)
          throw new PlatformError(
            'body_too_large',
            `the configuration would be larger than ${MAX_CONFIG_BYTES} bytes`,
            {
              max_bytes: MAX_CONFIG_BYTES,
            },
          );
        await store.saveConfig(trx, id, data);
        return data;
      }),
  };
}
