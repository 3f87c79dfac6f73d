// What a server process would do in the background: checkpoints, vacuum of hot tables, and of old ones before their transaction
// numbers run out. One bounded pass at a time; the engine serves nobody while it vacuums.

import type pg from 'pg';

export interface MaintenanceLimits {
  /** Log written since the last checkpoint: what a start after a crash has to read. */
  checkpointBytes: number;
  checkpointMs: number;
  /** Dead rows, or rows changed beyond a fifth of the table since it was last analyzed. */
  hotRows: number;
  /** Transactions; the engine stops accepting writes at 2 billion. */
  freezeAge: number;
  tablesPerPass: number;
}

export interface Maintenance {
  run(): Promise<{ checkpointed: number; vacuumed: number; frozen: number }>;
}

const LIMITS: MaintenanceLimits = {
  checkpointBytes: 96 * 1024 * 1024,
  checkpointMs: 300_000,
  hotRows: 5_000,
  freezeAge: 200_000_000,
  tablesPerPass: 3,
};

const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;

export function createMaintenance(
  pool: pg.Pool,
  limits: MaintenanceLimits = LIMITS,
  now: () => number = Date.now,
): Maintenance {
  let checkpointedAt = now();
  /** Log position after the last checkpoint; null before the first pass. */
  let checkpointedLsn: number | null = null;

  async function readLsn(): Promise<number> {
    const { rows } = await pool.query<{ lsn: string }>(
      "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') as lsn",
    );
    return Number(rows[0]?.lsn);
  }

  async function checkpoint(): Promise<number> {
    const lsn = await readLsn();
    // A start ends with a checkpoint, so the first position seen is as good as one.
    checkpointedLsn ??= lsn;
    const written = lsn - checkpointedLsn;
    const due = written > limits.checkpointBytes || (written > 0 && now() - checkpointedAt > limits.checkpointMs);
    if (!due) return 0;
    await pool.query('checkpoint');
    // The checkpoint's own record is not new work.
    checkpointedLsn = await readLsn();
    checkpointedAt = now();
    return 1;
  }

  async function vacuum(): Promise<number> {
    await pool.query('select pg_stat_force_next_flush()');
    const { rows } = await pool.query<{ table: string }>(
      `select relname as table from pg_stat_user_tables
       where greatest(n_dead_tup, n_mod_since_analyze - n_live_tup / 5) > $1
       order by greatest(n_dead_tup, n_mod_since_analyze) desc limit $2`,
      [limits.hotRows, limits.tablesPerPass],
    );
    for (const { table } of rows) await pool.query(`vacuum (analyze) ${quote(table)}`);
    return rows.length;
  }

  /** Every table of the database, the engine's own included: the oldest decides when writes stop. */
  async function freeze(): Promise<number> {
    const { rows } = await pool.query<{ schema: string; table: string }>(
      `select n.nspname as schema, c.relname as table from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where c.relkind in ('r', 'm') and age(c.relfrozenxid) > $1
       order by age(c.relfrozenxid) desc limit $2`,
      [limits.freezeAge, limits.tablesPerPass],
    );
    for (const { schema, table } of rows) await pool.query(`vacuum (freeze) ${quote(schema)}.${quote(table)}`);
    return rows.length;
  }

  return {
    run: async () => ({ checkpointed: await checkpoint(), vacuumed: await vacuum(), frozen: await freeze() }),
  };
}
