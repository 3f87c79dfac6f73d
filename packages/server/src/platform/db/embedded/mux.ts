// Many node-postgres connections on the one session of PGlite, and one WAL flush for many commits.
//
// A group is everything a client sends up to Sync, Flush or Query; groups run one after another and are never mixed. A connection
// owns the session while its transaction, or its exchange up to Sync, is open. The session runs with synchronous_commit=off:
// replies of committed groups are held back until one flush has put all of them on disk, then released together.

import { readAnswer } from './answer.ts';
import {
  buildError,
  buildQuery,
  buildWelcome,
  COPY_FAIL,
  endsGroup,
  FAILED_TRANSACTION,
  FRONTEND,
  IDLE,
  isCopyMessage,
  parsedStatementName,
  prefixStatement,
  readMessages,
  readStartup,
  SYNC,
  sqlOf,
} from './wire.ts';

/** The session the groups run on; PGlite in production. */
export interface Session {
  /** Runs raw protocol bytes to their end. @returns everything the server answered. Rejects when the engine is broken. */
  exec(bytes: Uint8Array): Promise<Buffer>;
}

export interface MultiplexerOptions {
  /** False for an in-memory database: there is nothing to flush. */
  durable: boolean;
  serverVersion: string;
  /** True while too little disk is free: then statements that write fail with 53100, and reads go on. */
  isStoreFull?: () => boolean;
  /** A transaction in which nothing happens for so long is rolled back, because everybody waits for it. */
  idleTransactionMs?: number;
  /** The session cannot be used any more; nothing that was held back has been acknowledged. */
  onBroken(error: Error): void;
}

/** The client's side of a connection. */
export interface Peer {
  send(bytes: Buffer): void;
  /** The multiplexer ends the connection. */
  close(): void;
}

export interface Connection {
  readonly id: number;
  readonly peer: Peer;
  buffer: Buffer;
  started: boolean;
  group: Buffer[];
  listens: boolean;
  /** Has sent SQL that may be COPY FROM STDIN. */
  copies: boolean;
  closed: boolean;
  statements: Set<string>;
}

interface Group {
  connection: Connection;
  bytes: Buffer;
  /** Ends in Flush: more messages of the same exchange follow, up to Sync. */
  continues: boolean;
  /** The last of its connection: after it nothing of the connection may be open. */
  farewell: boolean;
}

const FLUSH = buildQuery(
  "select case when pg_current_wal_insert_lsn() > pg_current_wal_flush_lsn() then pg_logical_emit_message(false, '', '', true) end",
);
const ROLLBACK = buildQuery('rollback');
const READ_ONLY = buildQuery('set default_transaction_read_only = on');
const READ_WRITE = buildQuery('set default_transaction_read_only = off');
/** A batch is flushed when so many replies wait, even if more groups are queued. */
const MOST_HELD_REPLIES = 64;
const IDLE_TRANSACTION_MS = 30_000;

export class Multiplexer {
  private readonly session: Session;
  private readonly options: MultiplexerOptions;
  private readonly connections = new Set<Connection>();
  private queue: Group[] = [];
  private held: { connection: Connection; bytes: Buffer }[] = [];
  /** Whose transaction or exchange is open; only its groups may run. */
  private owner: Connection | null = null;
  /** Status of the owner's transaction. */
  private status: number = IDLE;
  /** The owner has not sent its Sync yet. A query in between would destroy its portal, or be skipped after an error. */
  private midExchange = false;
  private readOnly = false;
  private busy = false;
  private running: Promise<void> = Promise.resolve();
  private idleTimer: NodeJS.Timeout | null = null;
  private nextId = 1;

  constructor(session: Session, options: MultiplexerOptions) {
    this.session = session;
    this.options = options;
  }

  connect(peer: Peer): Connection {
    const connection: Connection = {
      id: this.nextId++,
      peer,
      buffer: Buffer.alloc(0),
      started: false,
      group: [],
      listens: false,
      copies: false,
      closed: false,
      statements: new Set(),
    };
    this.connections.add(connection);
    return connection;
  }

  /** Bytes a client sent. */
  receive(connection: Connection, chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    connection.buffer = connection.buffer.length > 0 ? Buffer.concat([connection.buffer, bytes]) : bytes;
    while (!connection.started) if (!this.readHandshake(connection)) return;
    const { messages, rest } = readMessages(connection.buffer);
    connection.buffer = rest;
    for (const message of messages) if (!connection.closed) this.receiveMessage(connection, message);
  }

  /** Ends a connection: what it queued is dropped, its open transaction rolled back, its statements forgotten. */
  disconnect(connection: Connection): void {
    if (connection.closed) return;
    connection.closed = true;
    this.connections.delete(connection);
    this.queue = this.queue.filter((group) => group.connection !== connection);
    if (this.owner === connection || connection.statements.size > 0) this.sayFarewell(connection);
  }

  /** Resolves when no group runs and no reply is held back. */
  async idle(): Promise<void> {
    while (this.busy) await this.running;
  }

  /** @returns false when more bytes are needed or the connection was a mere request. */
  private readHandshake(connection: Connection): boolean {
    const startup = readStartup(connection.buffer);
    if (!startup) return false;
    connection.buffer = startup.rest;
    if (startup.kind === 'cancel') return false;
    if (startup.kind === 'ssl') connection.peer.send(Buffer.from('N'));
    else {
      connection.started = true;
      connection.peer.send(buildWelcome(connection.id, this.options.serverVersion));
    }
    return true;
  }

  private receiveMessage(connection: Connection, message: Buffer): void {
    const type = message[0];
    if (type === FRONTEND.terminate) {
      this.disconnect(connection);
      return;
    }
    // The engine ends itself when it misses copy data, so it is never let into that state; see below.
    if (isCopyMessage(type)) return;
    this.noteSql(connection, sqlOf(message));
    const statement = parsedStatementName(message);
    if (statement) connection.statements.add(statement);
    connection.group.push(prefixStatement(message, `c${connection.id}_`));
    if (connection.copies && (type === FRONTEND.query || type === FRONTEND.execute)) connection.group.push(COPY_FAIL);
    if (!endsGroup(type)) return;
    const bytes = connection.group.length === 1 ? (connection.group[0] as Buffer) : Buffer.concat(connection.group);
    connection.group = [];
    this.queue.push({ connection, bytes, continues: type === FRONTEND.flush, farewell: false });
    this.kick();
  }

  /** Both guesses may be wrong in one direction only: a notification nobody asked for, a message the server ignores. */
  private noteSql(connection: Connection, sql: string): void {
    if (sql === '') return;
    if (/\blisten\b/i.test(sql)) connection.listens = true;
    if (/\bstdin\b/i.test(sql)) connection.copies = true;
  }

  private sayFarewell(connection: Connection): void {
    const owned = this.owner === connection ? [SYNC, ROLLBACK] : [];
    const names = [...connection.statements].map(
      (name) => `deallocate "c${connection.id}_${name.replaceAll('"', '""')}"`,
    );
    const bytes = Buffer.concat([...owned, ...names.map(buildQuery)]);
    this.queue.unshift({ connection, bytes, continues: false, farewell: true });
    this.kick();
  }

  private kick(): void {
    if (this.busy) return;
    this.busy = true;
    // After a failure it stays busy: nothing runs on a broken session.
    this.running = this.run().catch((error: unknown) => this.options.onBroken(error as Error));
  }

  /** The next group that may run: the owner's while it has the session, else the oldest. */
  private takeNext(): Group | null {
    const index = this.owner === null ? 0 : this.queue.findIndex((group) => group.connection === this.owner);
    return index < 0 ? null : (this.queue.splice(index, 1)[0] ?? null);
  }

  /** A flush is a statement: it fails in a failed transaction and disturbs an open exchange. Both end with their owner's next word. */
  private mayFlush(): boolean {
    return this.held.length > 0 && this.status !== FAILED_TRANSACTION && !this.midExchange;
  }

  private async run(): Promise<void> {
    for (;;) {
      if (this.held.length >= MOST_HELD_REPLIES && this.mayFlush()) await this.flush();
      const group = this.takeNext();
      if (group) await this.runGroup(group);
      else if (this.mayFlush()) {
        // Nothing may run now: put on disk what was committed, then look again, because clients answer to the replies.
        await this.flush();
        await new Promise(setImmediate);
      } else break;
    }
    // In the tick of the last look at the queue, so that no group is left waiting.
    this.busy = false;
  }

  private async runGroup({ connection, bytes, continues, farewell }: Group): Promise<void> {
    this.stopIdleTimer();
    if (this.owner === null) await this.followDisk();
    const wasMidExchange = this.midExchange;
    const answer = readAnswer(await this.session.exec(bytes), { readOnly: this.readOnly });
    // Only a Flush, or messages skipped until a late Sync, may end without ReadyForQuery.
    if (answer.status === null && !continues && !wasMidExchange) throw new Error('the engine ended its session');
    this.status = answer.status ?? this.status;
    this.midExchange = continues || (answer.status === null && wasMidExchange);
    this.owner = this.status !== IDLE || this.midExchange ? connection : null;
    const deliver = this.owner === null && this.options.durable ? this.hold : this.deliver;
    for (const notification of answer.notifications)
      for (const listener of this.connections) if (listener.listens) deliver(listener, notification);
    deliver(connection, answer.body);
    if (this.owner === null) return;
    if (farewell) throw new Error('the engine does not leave a transaction whose client is gone');
    if (connection.closed) this.sayFarewell(connection);
    else this.startIdleTimer(connection);
  }

  private readonly hold = (connection: Connection, bytes: Buffer): void => {
    this.held.push({ connection, bytes });
  };

  private readonly deliver = (connection: Connection, bytes: Buffer): void => {
    if (!connection.closed && bytes.length > 0) connection.peer.send(bytes);
  };

  /** One WAL flush for every reply that waits. */
  private async flush(): Promise<void> {
    const held = this.held;
    this.held = [];
    const { failed } = readAnswer(await this.session.exec(FLUSH));
    if (failed) throw new Error('the write-ahead log could not be flushed');
    for (const { connection, bytes } of held) this.deliver(connection, bytes);
  }

  private async followDisk(): Promise<void> {
    const full = this.options.isStoreFull?.() ?? false;
    if (full === this.readOnly) return;
    await this.session.exec(full ? READ_ONLY : READ_WRITE);
    this.readOnly = full;
  }

  private startIdleTimer(connection: Connection): void {
    const limit = this.options.idleTransactionMs ?? IDLE_TRANSACTION_MS;
    this.idleTimer = setTimeout(() => this.evict(connection), limit);
  }

  private stopIdleTimer(): void {
    if (this.idleTimer) clearTimeout(this.idleTimer);
    this.idleTimer = null;
  }

  private evict(connection: Connection): void {
    connection.peer.send(buildError('25P03', 'terminating connection due to idle-in-transaction timeout', 'FATAL'));
    connection.peer.close();
    this.disconnect(connection);
  }
}
