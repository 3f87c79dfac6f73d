// Writes secrets that lie under an earlier key, or in plaintext, again under the current one (chapter 10 §2.3). What no key opens
// stays as it is and goes on failing closed where it is read.

import type { Database } from '../platform/db/index.ts';
import type { Loop } from '../platform/loops.ts';
import type { Cipher } from './cipher.ts';
import * as store from './store.ts';

const MOST_PER_PASS = 500;

export function createRotation(db: Database, cipher: Cipher): Loop {
  /** Where the next pass goes on, so that rows nobody can read do not hold up those behind them. */
  let position = store.FIRST_POSITION;

  function decrypt(row: store.RotatableSecret): string | null {
    try {
      return cipher.decrypt(row.encrypted_value, row.encryption_version);
    } catch {
      return null;
    }
  }

  return {
    name: 'secrets-rotation',
    why: 'Secrets written under an earlier key would become unreadable the day that key is taken away.',
    everyMs: 60_000,
    timeoutMs: 30_000,
    runs: 'one-replica',
    async run(signal) {
      const rows = await store.listUnderOtherKeys(db.kysely, cipher.keyId, position, MOST_PER_PASS);
      let [rewritten, unreadable] = [0, 0];
      for (const row of rows) {
        if (signal.aborted) break;
        const value = decrypt(row);
        if (value === null) unreadable += 1;
        else if (await store.replaceValue(db.kysely, row, cipher.encrypt(value))) rewritten += 1;
      }
      position = rows.length < MOST_PER_PASS ? store.FIRST_POSITION : store.positionOf(rows.at(-1));
      return { rewritten, unreadable };
    },
  };
}
