// The platform → workspace bearer: read, or minted where it is missing (chapter 10 §3.6). Absence is never cached.

import { randomBytes } from 'node:crypto';
import type { Clock } from '../platform/clock.ts';
import type { Database } from '../platform/db/index.ts';
import type { Logger } from '../platform/log.ts';
import * as store from './store.ts';

const TTL_MS = 300_000;
const MOST_ENTRIES = 20_000;

export interface InboundSecret {
  secret: string;
  healed: boolean;
  error: unknown;
}

export interface InboundSecrets {
  /** `error` set ⇒ `secret` is empty: callers omit the field and go on. */
  readOrHeal(id: string): Promise<InboundSecret>;
  forget(id: string): void;
}

export function createInboundSecrets(db: Database, log: Logger, clock: Clock): InboundSecrets {
  const cache = new Map<string, { secret: string; until: number }>();

  function remember(id: string, secret: string): void {
    if (cache.size >= MOST_ENTRIES) cache.clear();
    cache.set(id, { secret, until: clock.now() + TTL_MS });
  }

  async function heal(id: string): Promise<InboundSecret> {
    const stored = await store.readSecret(db.kysely, id);
    if (stored) {
      remember(id, stored);
      return { secret: stored, healed: false, error: null };
    }
    const minted = randomBytes(32).toString('base64url');
    if (!(await store.saveMissingSecret(db.kysely, id, minted))) {
      // Another replica minted it meanwhile; its value counts.
      const winner = await store.readSecret(db.kysely, id);
      if (!winner) throw new Error('the inbound secret could not be stored');
      remember(id, winner);
      return { secret: winner, healed: false, error: null };
    }
    remember(id, minted);
    return { secret: minted, healed: true, error: null };
  }

  return {
    async readOrHeal(id) {
      const known = cache.get(id);
      if (known && known.until > clock.now()) return { secret: known.secret, healed: false, error: null };
      try {
        return await heal(id);
      } catch (error) {
        log.error({ err: error, workspace_id: id }, 'the inbound secret could not be read or minted');
        return { secret: '', healed: false, error };
      }
    },
    forget: (id) => cache.delete(id),
  };
}
