// Tokens looked up once and remembered by hash, so that a beat or a message costs no query. Revocation empties the cache on
// every replica; absence is never remembered.

import type { Clock } from '../platform/clock.ts';
import type { Database } from '../platform/db/index.ts';
import type { Logger } from '../platform/log.ts';
import { hashOf, keyOf } from './bearer.ts';
import { lookUp } from './lookup.ts';
import * as store from './store.ts';

export const AUTH_CHANNEL = 'molecule_auth';
const TTL_MS = 60_000;
const MOST_ENTRIES = 50_000;
const TOUCH_EVERY_MS = 60_000;

interface Entry {
  found: store.FoundToken;
  until: number;
}

export interface TokenCache {
  /** @throws platform_unavailable when the lookup fails. */
  find(bearer: string): Promise<store.FoundToken | null>;
  /** The same for whoever has hashed it already. */
  findByKey(key: string): Promise<store.FoundToken | null>;
  /** What is remembered of it; null says nothing. */
  recall(key: string): store.FoundToken | null;
  /** The store has just shown that these tokens are live: what is remembered of them is as good as read anew. */
  confirm(ids: Iterable<string>): void;
  /** Forgets everything here and tells the other replicas; called after every revocation has committed. */
  forgetAll(): Promise<void>;
  /** Empties this replica's cache only. */
  clear(): void;
  /** Writes when tokens were last used. */
  touch(): Promise<number>;
}

export function createTokenCache(db: Database, log: Logger, clock: Clock): TokenCache {
  const entries = new Map<string, Entry>();
  const byId = new Map<string, Entry>();
  const used = new Map<string, store.FoundToken['kind']>();
  let generation = 0;
  let lastTouchAt = 0;

  function empty(): void {
    entries.clear();
    byId.clear();
  }

  function recall(key: string): store.FoundToken | null {
    const known = entries.get(key);
    if (!known || known.until <= clock.now()) return null;
    used.set(known.found.id, known.found.kind);
    return known.found;
  }

  return {
    find(bearer) {
      return this.findByKey(keyOf(bearer));
    },
    recall,
    async findByKey(key) {
      const known = recall(key);
      if (known) return known;
      const startedIn = generation;
      const found = await lookUp(store.findToken(db.kysely, hashOf(key)));
      if (!found) return null;
      // A revocation that came meanwhile must not be undone by remembering what was read before it.
      if (found.kind !== 'deleted-workspace' && startedIn === generation) {
        if (entries.size >= MOST_ENTRIES) empty();
        const entry = { found, until: clock.now() + TTL_MS };
        entries.set(key, entry);
        byId.set(found.id, entry);
        used.set(found.id, found.kind);
      }
      return found;
    },
    confirm(ids) {
      const until = clock.now() + TTL_MS;
      for (const id of ids) {
        const entry = byId.get(id);
        if (entry) entry.until = until;
      }
    },
    async forgetAll() {
      generation += 1;
      empty();
      if (db.kind !== 'postgres') return;
      await db
        .notify(AUTH_CHANNEL, 'revoked')
        .catch((error: unknown) =>
          log.error(
            { err: error },
            'other replicas could not be told of a revocation; their caches end within a minute',
          ),
        );
    },
    clear() {
      generation += 1;
      empty();
    },
    async touch() {
      if (used.size === 0 || clock.now() - lastTouchAt < TOUCH_EVERY_MS) return 0;
      lastTouchAt = clock.now();
      const ids = [...used];
      used.clear();
      await store.touchTokens(
        db.kysely,
        ids.filter(([, kind]) => kind === 'workspace').map(([id]) => id),
        ids.filter(([, kind]) => kind === 'org').map(([id]) => id),
      );
      return ids.length;
    },
  };
}
