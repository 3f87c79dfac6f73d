// Leases as rows: at most one holder per name, until a time; renewed while the work is alive, fenced by a token.
// Advisory locks would not do: they belong to a session, and the embedded store has only one.

import { randomUUID } from 'node:crypto';
import { sql } from 'kysely';
import type { Database } from './index.ts';

export interface Lease {
  readonly token: string;
  /** False when it expired and somebody else took it: stop working. */
  renew(): Promise<boolean>;
  release(): Promise<void>;
}

/** @returns null while somebody else holds it. */
export async function acquireLease(db: Database, name: string, holder: string, ttlMs: number): Promise<Lease | null> {
  const token = randomUUID();
  const taken = await sql<{ token: string }>`
    insert into leases (name, holder, token, expires_at)
    values (${name}, ${holder}, ${token}, now() + make_interval(secs => ${ttlMs / 1000}::double precision))
    on conflict (name) do update set holder = excluded.holder, token = excluded.token, expires_at = excluded.expires_at
      where leases.expires_at <= now()
    returning token
  `.execute(db.kysely);
  if (taken.rows.length === 0) return null;
  return {
    token,
    async renew() {
      const renewed = await sql`
        update leases set expires_at = now() + make_interval(secs => ${ttlMs / 1000}::double precision)
        where name = ${name} and token = ${token} and expires_at > now() returning name
      `.execute(db.kysely);
      return renewed.rows.length > 0;
    },
    async release() {
      await sql`delete from leases where name = ${name} and token = ${token}`.execute(db.kysely);
    },
  };
}
