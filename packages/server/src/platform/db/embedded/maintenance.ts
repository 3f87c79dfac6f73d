// What a server process would do in the background: checkpoints, vacuum of hot tables, and a floor under the free disk space.

import { statfsSync } from 'node:fs';
import type pg from 'pg';
import type { Engine } from './engine.ts';

const CHECKPOINT_EVERY_BYTES = 96 * 1024 * 1024;
const CHECKPOINT_EVERY_MS = 300_000;
const DEAD_ROWS_BEFORE_VACUUM = 5_000;
const TABLES_PER_PASS = 3;

export interface Maintenance {
  run(): Promise<{ checkpointed: number; vacuumed: number; writes_refused: number }>;
}

export function createMaintenance(
  pool: pg.Pool,
  engine: Engine,
  dir: string | null,
  minFreeBytes: number,
): Maintenance {
  let lastCheckpointAt = Date.now();
  let lastCheckpointLsn = 0;
  let refusing = false;

  /** Below the floor the engine would spin for ever on a full log, so writes are refused while reads go on. */
  function watchDisk(): void {
    if (dir === null) return;
    const { bavail, bsize } = statfsSync(dir);
    const full = bavail * bsize < minFreeBytes;
    if (full === refusing) return;
    refusing = full;
    engine.refuseWrites(
      full ? { code: '53100', message: 'the disk under the embedded database is nearly full' } : null,
    );
  }

  async function checkpoint(): Promise<number> {
    const { rows } = await pool.query<{ lsn: string }>(
      "select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::text as lsn",
    );
    const lsn = Number(rows[0]?.lsn ?? 0);
    const due =
      lsn - lastCheckpointLsn > CHECKPOINT_EVERY_BYTES ||
      (Date.now() - lastCheckpointAt > CHECKPOINT_EVERY_MS && lsn !== lastCheckpointLsn);
    if (!due) return 0;
    await pool.query('checkpoint');
    lastCheckpointLsn = lsn;
    lastCheckpointAt = Date.now();
    return 1;
  }

  async function vacuum(): Promise<number> {
    const { rows } = await pool.query<{ relname: string }>(
      'select relname from pg_stat_user_tables where n_dead_tup > $1 order by n_dead_tup desc limit $2',
      [DEAD_ROWS_BEFORE_VACUUM, TABLES_PER_PASS],
    );
    for (const { relname } of rows) await pool.query(`vacuum (analyze) "${relname.replaceAll('"', '""')}"`);
    return rows.length;
  }

  return {
    async run() {
      watchDisk();
      if (refusing) return { checkpointed: 0, vacuumed: 0, writes_refused: 1 };
      return { checkpointed: await checkpoint(), vacuumed: await vacuum(), writes_refused: 0 };
    },
  };
}
