// Leases as rows: at most one holder per name, until a time; renewed while the work is alive, fenced by a token.
// Advisory locks would not do: they belong to a session, and the embedded store has only one.

import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import type { Database } from './index.ts';

/** Leases of this name say that a replica lives; leases held under it are void without one. */
export const REPLICA_PREFIX = 'replica:';

export interface Lease {
  readonly token: string;
  /** How long it certainly still holds, in milliseconds. */
  remainingMs(): number;
  /** False when it expired and somebody else took it: stop working. */
  renew(): Promise<boolean>;
  release(): Promise<void>;
}

/** @returns null while somebody else holds it: until its time, or the end of the replica that took it. */
export async function acquireLease(db: Database, name: string, holder: string, ttlMs: number): Promise<Lease | null> {
  const token = randomUUID();
  // Counted from before the statement left, so that this process never believes in it longer than the database does.
  let until = performance.now() + ttlMs;
  const taken = await sql<{ token: string }>`
    insert into leases (name, holder, token, expires_at)
    values (${name}, ${holder}, ${token}, now() + make_interval(secs => ${ttlMs / 1000}::double precision))
    on conflict (name) do update set holder = excluded.holder, token = excluded.token, expires_at = excluded.expires_at
      where leases.expires_at <= now() or (
        starts_with(leases.holder, ${REPLICA_PREFIX})
        and not exists (select 1 from leases alive where alive.name = leases.holder and alive.expires_at > now())
      )
    returning token
  `.execute(db.kysely);
  if (taken.rows.length === 0) return null;
  return {
    token,
    remainingMs: () => until - performance.now(),
    async renew() {
      const renewedUntil = performance.now() + ttlMs;
      const renewed = await sql`
        update leases set expires_at = now() + make_interval(secs => ${ttlMs / 1000}::double precision)
        where name = ${name} and token = ${token} and expires_at > now() returning name
      `.execute(db.kysely);
      if (renewed.rows.length === 0) return false;
      until = renewedUntil;
      return true;
    },
    async release() {
      await sql`delete from leases where name = ${name} and token = ${token}`.execute(db.kysely);
    },
  };
}

/** Forgets what was held until an hour ago: by replicas that are gone, of workspaces that may be gone as well. */
export async function dropExpiredLeases(db: Database): Promise<void> {
  await sql`delete from leases where expires_at < now() - interval '1 hour'`.execute(db.kysely);
}
