// A process that writes rows as fast as it may and says on standard output what it was promised, until somebody kills it.
// First line: the rows found at the start. Then one line per acknowledged commit: its row ids.

import { sql } from 'kysely';
import { createLog } from '../../../log.ts';
import { openDatabase } from '../../index.ts';

const [dataDir = '', round = '0'] = process.argv.slice(2);
const WRITERS = 8;

const db = await openDatabase({ url: null, dataDir, log: createLog('error'), minFreeBytes: 0 });
await db.pool.query('create table if not exists promises (id text not null, body text not null)');
const { rows } = await db.pool.query<{ id: string }>('select id from promises');
const say = (ids: string[]) => process.stdout.write(`${JSON.stringify(ids)}\n`);
say(rows.map((row) => row.id));

const body = 'x'.repeat(500);
let next = 0;
const newId = () => `${round}/${next++}`;

async function writeOne(): Promise<string[]> {
  const id = newId();
  await db.pool.query('insert into promises values ($1, $2)', [id, body]);
  return [id];
}

async function writePair(): Promise<string[]> {
  const [one, two] = [newId(), newId()];
  await db.tx(async (trx) => {
    await sql`insert into promises values (${one}, ${body})`.execute(trx);
    await sql`insert into promises values (${two}, ${body})`.execute(trx);
  });
  return [one, two];
}

await Promise.all(
  Array.from({ length: WRITERS }, async (_, writer) => {
    for (let turn = 0; ; turn += 1) {
      say(await (turn % 5 === 4 ? writePair() : writeOne()));
      if (writer === 0 && turn % 40 === 39) await db.pool.query('checkpoint');
    }
  }),
);
