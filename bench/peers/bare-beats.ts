// The baseline of the heartbeat bench: Fastify and one UPDATE per beat, on the platform's own schema and a store of its own kind.
// No token is checked, nothing is batched, nobody is told. GET reads the row by its id.

import { MIGRATIONS_DIR } from '@molecule/server';
import { migrate, openDatabase } from '@molecule/server/platform/db/index';
import { createLog } from '@molecule/server/platform/log';
import Fastify from 'fastify';
import { readOptions, tell } from './peer.ts';

interface Beat {
  workspace_id: string;
  error_rate: number;
  active_tasks: number;
  current_task: string;
  uptime_seconds: number;
}

const { url, dataDir, seats } = readOptions<{ url: string | null; dataDir: string; seats: number }>();
const db = await openDatabase({ url, dataDir, log: createLog('silent') });
await migrate(db, MIGRATIONS_DIR);
const { rows } = await db.pool.query<{ id: string }>(
  `insert into workspaces (name, runtime) select 'seat ' || n, 'external' from generate_series(1, $1::int) n returning id`,
  [seats],
);

const app = Fastify();
app.post<{ Body: Beat }>('/registry/heartbeat', async ({ body }) => {
  await db.pool.query(
    `update workspaces set last_heartbeat_at = now(), last_error_rate = $2, active_tasks = $3, current_task = $4, uptime_seconds = $5
     where id = $1`,
    [body.workspace_id, body.error_rate, body.active_tasks, body.current_task, body.uptime_seconds],
  );
  return { status: 'ok' };
});
app.get<{ Params: { id: string } }>('/workspaces/:id', async ({ params }) => {
  const found = await db.pool.query('select * from workspaces where id = $1', [params.id]);
  return found.rows[0];
});

process.on('SIGTERM', async () => {
  await app.close();
  await db.close();
  process.exit(0);
});
tell({ url: await app.listen({ host: '127.0.0.1', port: 0 }), ids: rows.map(({ id }) => id) });
