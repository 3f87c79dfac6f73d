// Many clients on one real session: node-postgres on this side, PGlite in memory on the other, the multiplexer in between.

import { PGlite } from '@electric-sql/pglite';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createMessageSocket } from './message-socket.ts';
import { type Connection, Multiplexer, type MultiplexerOptions } from './mux.ts';
import { BACKEND, buildMessage, buildQuery, readErrorCode, readMessages, SYNC } from './wire.ts';

let engine: PGlite;
const clients: pg.Client[] = [];

beforeAll(async () => {
  engine = await PGlite.create('memory://');
  await engine.exec('create table notes (id int primary key, body text not null)');
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.end()));
  await engine.exec('rollback; truncate notes; set default_transaction_read_only = off');
});
afterAll(() => engine.close());

interface Harness {
  mux: Multiplexer;
  /** SQL-level view of what ran, flushes as 'flush'. */
  ran: string[];
  broken: Error[];
}

function createHarness(
  options: Partial<MultiplexerOptions> = {},
  exec: (bytes: Uint8Array) => Promise<Buffer> = execRaw,
): Harness {
  const ran: string[] = [];
  const broken: Error[] = [];
  const session = {
    exec(bytes: Uint8Array) {
      ran.push(Buffer.from(bytes).includes('pg_logical_emit_message') ? 'flush' : 'group');
      return exec(bytes);
    },
  };
  const mux = new Multiplexer(session, {
    durable: true,
    serverVersion: '18.0',
    onBroken: (error) => broken.push(error),
    ...options,
  });
  return { mux, ran, broken };
}

async function execRaw(bytes: Uint8Array): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  await engine.execProtocolRawStream(bytes, { onRawData: (data) => void parts.push(data.slice()) });
  return Buffer.concat(parts);
}

async function connect(mux: Multiplexer): Promise<pg.Client> {
  let connection: Connection | null = null;
  const stream = () =>
    createMessageSocket({
      ready: async () => {},
      open(socket) {
        connection = mux.connect({ send: (bytes) => void socket.push(bytes), close: () => void socket.destroy() });
      },
      data: (bytes) => connection && mux.receive(connection, bytes),
      end: () => connection && mux.disconnect(connection),
    });
  const client = new pg.Client({ user: 'postgres', database: 'postgres', host: 'x', stream } as pg.ClientConfig);
  client.on('error', () => {});
  await client.connect();
  clients.push(client);
  return client;
}

const connectMany = (mux: Multiplexer, count: number) => Promise.all(Array.from({ length: count }, () => connect(mux)));

/** A client that speaks bytes, for what node-postgres would not do. */
function connectRaw(mux: Multiplexer) {
  const chunks: Buffer[] = [];
  const connection = mux.connect({ send: (bytes) => void chunks.push(bytes), close: () => {} });
  const startup = Buffer.alloc(8);
  startup.writeInt32BE(8, 0);
  startup.writeInt32BE(196_608, 4);
  mux.receive(connection, startup);
  chunks.length = 0;
  return {
    connection,
    received: () => readMessages(Buffer.concat(chunks)).messages,
    send: (...bytes: Buffer[]) => mux.receive(connection, Buffer.concat(bytes)),
  };
}

const text = (value: string) => Buffer.from(`${value}\0`);
const parse = (name: string, sql: string) => buildMessage('P', text(name), text(sql), Buffer.alloc(2));
const bind = (name: string) => buildMessage('B', text(''), text(name), Buffer.alloc(6));
const execute = (rows = 0) => {
  const limit = Buffer.alloc(4);
  limit.writeInt32BE(rows);
  return buildMessage('E', text(''), limit);
};
const FLUSH_MESSAGE = buildMessage('H');

describe('queries of many clients', () => {
  it('never mix their parameters, results or errors', async () => {
    const { mux } = createHarness();
    const group = await connectMany(mux, 16);
    const outcomes = await Promise.all(
      group.flatMap((client, who) =>
        Array.from({ length: 40 }, async (_, turn) => {
          const mine = `${who}/${turn}`;
          if (turn % 7 === 3) {
            const failure = await client.query('select $1::text::int', [mine]).catch((error: Error) => error.message);
            return failure === `invalid input syntax for type integer: "${mine}"`;
          }
          const query =
            turn % 2 === 0 ? { name: 'say', text: 'select $1::text as said' } : { text: 'select $1::text as said' };
          const { rows } = await client.query({ ...query, values: [mine] });
          return rows.length === 1 && rows[0]?.said === mine;
        }),
      ),
    );
    expect(outcomes).toHaveLength(640);
    expect(outcomes.every(Boolean)).toBe(true);
  });

  it('may give different statements the same name', async () => {
    const { mux } = createHarness();
    const [one, two] = (await connectMany(mux, 2)) as [pg.Client, pg.Client];
    const add = { name: 'calc', text: 'select $1::int + 1 as n', values: [10] };
    const double = { name: 'calc', text: 'select $1::int * 2 as n', values: [10] };
    for (let round = 0; round < 3; round += 1) {
      const [sum, product] = await Promise.all([one.query(add), two.query(double)]);
      expect([sum.rows[0]?.n, product.rows[0]?.n]).toEqual([11, 20]);
    }
    const prepared = await one.query('select name from pg_prepared_statements order by name');
    expect(prepared.rows).toHaveLength(2);
    await two.end();
    await expect.poll(async () => (await one.query('select name from pg_prepared_statements')).rows.length).toBe(1);
  });

  it('are read alike whether their bytes come at once or one by one', async () => {
    const { mux } = createHarness();
    const [whole, crumbs] = [connectRaw(mux), connectRaw(mux)];
    const request = Buffer.concat([parse('s', "select 'a'"), bind('s'), execute(), SYNC, buildQuery("select 'b'")]);
    whole.send(request);
    for (const byte of request) crumbs.send(Buffer.from([byte]));
    await mux.idle();
    const answer = (raw: typeof whole) => raw.received().map((message) => message.toString('latin1'));
    expect(answer(whole)).toContain('D\0\0\0\x0b\0\x01\0\0\0\x01b');
    expect(answer(crumbs)).toEqual(answer(whole));
  });

  it('go on after an error of their own', async () => {
    const { mux } = createHarness();
    const client = await connect(mux);
    await expect(client.query('select $1::int / 0', [1])).rejects.toMatchObject({ code: '22012' });
    await expect(client.query('select nonsense')).rejects.toMatchObject({ code: '42703' });
    expect((await client.query('select $1::int as n', [7])).rows).toEqual([{ n: 7 }]);
  });
});

describe('a transaction', () => {
  it('owns the session until it ends', async () => {
    const { mux } = createHarness();
    const [writer, reader] = (await connectMany(mux, 2)) as [pg.Client, pg.Client];
    const order: string[] = [];
    await writer.query('begin');
    const read = reader.query('select count(*)::int as n from notes').then(({ rows }) => {
      order.push('read');
      return rows[0]?.n;
    });
    await writer.query('insert into notes values (1, $1)', ['a']);
    await writer.query('insert into notes values (2, $1)', ['b']);
    const committed = writer.query('commit').then(() => order.push('committed'));
    expect(await read).toBe(2);
    await committed;
    expect(order).toEqual(['committed', 'read']);
  });

  it('is rolled back when its client goes away', async () => {
    const { mux } = createHarness();
    const [leaver, other] = (await connectMany(mux, 2)) as [pg.Client, pg.Client];
    await leaver.query('begin');
    await leaver.query("insert into notes values (1, 'lost')");
    const seen = other.query('select count(*)::int as n from notes');
    await leaver.end();
    expect((await seen).rows).toEqual([{ n: 0 }]);
  });

  it('is rolled back when its client goes away while its statement runs', async () => {
    const { mux } = createHarness();
    const raw = connectRaw(mux);
    raw.send(buildQuery("begin; insert into notes values (1, 'lost')"));
    mux.disconnect(raw.connection);
    const client = await connect(mux);
    expect((await client.query('select count(*)::int as n from notes')).rows).toEqual([{ n: 0 }]);
  });

  it('that failed does not hold up or break the acknowledgement of a commit made before it', async () => {
    const { mux, broken } = createHarness();
    const [careful, hasty] = (await connectMany(mux, 2)) as [pg.Client, pg.Client];
    const stored = careful.query("insert into notes values (1, 'kept')");
    const failing = hasty.query('begin; select 1/0');
    await expect(failing).rejects.toMatchObject({ code: '22012' });
    await hasty.query('rollback');
    expect((await stored).rowCount).toBe(1);
    expect(broken).toEqual([]);
  });

  it('in which nothing happens is ended, and the others go on', async () => {
    const { mux } = createHarness({ idleTransactionMs: 50 });
    const [sleeper, other] = (await connectMany(mux, 2)) as [pg.Client, pg.Client];
    await sleeper.query('begin');
    await sleeper.query("insert into notes values (1, 'lost')");
    expect((await other.query('select count(*)::int as n from notes')).rows).toEqual([{ n: 0 }]);
    await expect(sleeper.query('commit')).rejects.toThrow();
  });
});

describe('an exchange', () => {
  it('of a client that leaves in its middle, after an error, leaves the session usable', async () => {
    const { mux } = createHarness();
    const raw = connectRaw(mux);
    raw.send(parse('', 'select 1/0'), bind(''), execute(), FLUSH_MESSAGE);
    await expect.poll(() => raw.received().some((message) => message[0] === BACKEND.error)).toBe(true);
    mux.disconnect(raw.connection);
    const client = await connect(mux);
    expect((await client.query('select 1 as n')).rows).toEqual([{ n: 1 }]);
  });

  it('keeps its portal while replies of others wait for the disk', async () => {
    const { mux } = createHarness();
    const [raw, client] = [connectRaw(mux), await connect(mux)];
    const stored = client.query("insert into notes values (1, 'kept')");
    raw.send(parse('', 'select generate_series(1, 3)'), bind(''), execute(2), FLUSH_MESSAGE);
    const countRows = () => raw.received().filter((message) => message[0] === 0x44).length;
    await expect.poll(countRows).toBe(2);
    raw.send(execute(2), SYNC);
    await expect.poll(countRows).toBe(3);
    expect((await stored).rowCount).toBe(1);
  });
});

describe('COPY', () => {
  it('FROM STDIN is refused by name, in both protocols and inside a transaction; the session survives', async () => {
    const { mux, broken } = createHarness();
    const client = await connect(mux);
    await expect(client.query('copy notes from stdin')).rejects.toMatchObject({
      code: '0A000',
      message: expect.stringContaining('COPY FROM STDIN is not available'),
    });
    const raw = connectRaw(mux);
    raw.send(parse('', 'copy notes from stdin'), bind(''), execute(), SYNC);
    await expect.poll(() => raw.received().map((message) => message[0])).toContain(BACKEND.ready);
    expect(
      raw
        .received()
        .filter((message) => message[0] === BACKEND.error)
        .map(readErrorCode),
    ).toEqual(['0A000']);
    await client.query('begin');
    await expect(client.query('copy notes from stdin')).rejects.toMatchObject({ code: '0A000' });
    await client.query('rollback');
    expect((await client.query("select 'from stdin' as harmless")).rows).toEqual([{ harmless: 'from stdin' }]);
    expect(broken).toEqual([]);
  });

  it('TO STDOUT answers its rows', async () => {
    const { mux } = createHarness();
    const raw = connectRaw(mux);
    raw.send(buildQuery("copy (select 'a' union all select 'b') to stdout"));
    await expect.poll(() => raw.received().map((message) => message[0])).toContain(BACKEND.ready);
    const lines = raw
      .received()
      .filter((message) => message[0] === 0x64)
      .map((message) => message.toString('utf8', 5));
    expect(lines).toEqual(['a\n', 'b\n']);
  });
});

describe('notifications', () => {
  it('reach every listener, once committed', async () => {
    const { mux } = createHarness();
    const [one, two, sender, deaf] = (await connectMany(mux, 4)) as [pg.Client, pg.Client, pg.Client, pg.Client];
    const heard: string[] = [];
    for (const [name, client] of Object.entries({ one, two, deaf }))
      client.on('notification', ({ channel, payload }) => heard.push(`${name} ${channel} ${payload}`));
    await one.query('listen news');
    await two.query('listen news');
    await sender.query('begin');
    await sender.query("select pg_notify('news', 'rolled back')");
    await sender.query('rollback');
    await sender.query("select pg_notify('news', $1)", ['hello']);
    await expect.poll(() => heard.length).toBe(2);
    expect(heard.sort()).toEqual(['one news hello', 'two news hello']);
  });
});

describe('group commit', () => {
  it('acknowledges nothing before a flush, and many commits by one', async () => {
    const { mux, ran } = createHarness();
    const group = await connectMany(mux, 16);
    await Promise.all(
      group.map(async (client, who) => {
        for (let turn = 0; turn < 10; turn += 1) {
          const before = ran.lastIndexOf('flush');
          await client.query('insert into notes values ($1, $2)', [who * 100 + turn, 'x']);
          expect(ran.lastIndexOf('flush')).toBeGreaterThan(before);
        }
      }),
    );
    expect(ran.filter((what) => what === 'group')).toHaveLength(160);
    expect(ran.filter((what) => what === 'flush').length).toBeLessThan(80);
  });

  it('tells nobody that a commit is safe when the flush failed', async () => {
    let failing = false;
    const { mux, broken } = createHarness({}, async (bytes) => {
      if (failing && Buffer.from(bytes).includes('pg_logical_emit_message')) throw new Error('no disk');
      return await execRaw(bytes);
    });
    const client = await connect(mux);
    failing = true;
    let acknowledged = false;
    client.query("insert into notes values (1, 'unsafe')").then(
      () => (acknowledged = true),
      () => {},
    );
    await expect.poll(() => broken.map((error) => error.message)).toEqual(['no disk']);
    expect(acknowledged).toBe(false);
  });
});

describe('a nearly full disk', () => {
  it('refuses what writes, in every form, and answers what reads', async () => {
    let full = false;
    const { mux } = createHarness({ isStoreFull: () => full });
    const client = await connect(mux);
    const insert = { name: 'add', text: 'insert into notes values ($1, $2)', values: [1, 'before'] };
    await client.query(insert);
    full = true;
    const nearlyFull = { code: '53100', message: 'the disk under the embedded database is nearly full' };
    await expect(client.query({ ...insert, values: [2, 'prepared'] })).rejects.toMatchObject(nearlyFull);
    await expect(client.query('with gone as (delete from notes returning 1) select * from gone')).rejects.toMatchObject(
      nearlyFull,
    );
    await expect(client.query('create table more ()')).rejects.toMatchObject(nearlyFull);
    expect((await client.query('select body from notes')).rows).toEqual([{ body: 'before' }]);
    await client.query('begin');
    expect((await client.query('select count(*)::int as n from notes')).rows).toEqual([{ n: 1 }]);
    await client.query('commit');
    await client.query('checkpoint');
    full = false;
    await client.query({ ...insert, values: [2, 'after'] });
    expect((await client.query('select count(*)::int as n from notes')).rows).toEqual([{ n: 2 }]);
  });
});
