// The baseline of the queue bench: pg-boss on a store of the same kind, one `send` per message. Behind the least HTTP server, which
// answers each message with its id, and without one, called in this process.

import { createServer } from 'node:http';
import { openDatabase } from '@molecule/server/platform/db/index';
import { createLog } from '@molecule/server/platform/log';
import { PgBoss } from 'pg-boss';
import { readOptions, serve, tell } from './peer.ts';

export interface BossJob {
  /** Sends under way at any time. */
  atOnce: number;
  seconds: number;
  message: string;
}

export interface BossResult {
  perSecond: number;
}

const QUEUE = 'messages';
/** As many connections as the platform has. */
const POOL_SIZE = 20;

const { url, dataDir } = readOptions<{ url: string | null; dataDir: string }>();

/** PostgreSQL as pg-boss itself connects to it; the embedded store through its own interface for other drivers. */
async function openBoss(): Promise<PgBoss> {
  const quiet = { supervise: false, schedule: false };
  if (url !== null) return new PgBoss({ connectionString: url, max: POOL_SIZE, ...quiet });
  const { pool } = await openDatabase({ url, dataDir, log: createLog('silent') });
  return new PgBoss({
    db: { executeSql: (text, values) => pool.query(text, values as unknown[] | undefined) },
    ...quiet,
  });
}

const boss = await openBoss();
boss.on('error', (error) => process.stderr.write(`pg-boss: ${error}\n`));
await boss.start();
await boss.createQueue(QUEUE);

async function run({ atOnce, seconds, message }: BossJob): Promise<BossResult> {
  const endsAt = performance.now() + seconds * 1000;
  const startsAt = performance.now();
  let sent = 0;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (performance.now() < endsAt) {
        sent += 1;
        if (!(await boss.send(QUEUE, JSON.parse(message.replaceAll('{{id}}', `direct-${sent}`)) as object)))
          throw new Error('pg-boss took no message');
      }
    }),
  );
  return { perSecond: sent / ((performance.now() - startsAt) / 1000) };
}

process.on('message', (job: BossJob) => {
  run(job).then(tell, (error: Error) => {
    process.stderr.write(`pg-boss: ${error.stack}\n`);
    process.exit(1);
  });
});

await serve(
  createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      boss.send(QUEUE, JSON.parse(Buffer.concat(chunks).toString()) as object).then(
        (id) => {
          const body = JSON.stringify({ queued: true, queue_id: id });
          response
            .writeHead(202, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) })
            .end(body);
        },
        (error: Error) => response.writeHead(500).end(error.message),
      );
    });
  }),
);
