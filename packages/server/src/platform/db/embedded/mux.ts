// Many node-postgres connections on the one session of PGlite, and one WAL flush for many commits.
//
// A group is everything a client sends up to Sync or Query; groups run one after another and are never mixed. A connection
// owns the session while its last ReadyForQuery said "in a transaction". The session runs with synchronous_commit=off:
// replies of committed groups are held back until one flush has put all of them on disk, then released together.

import {
  BACKEND,
  buildError,
  buildQuery,
  buildWelcome,
  endsGroup,
  FAILED_TRANSACTION,
  FRONTEND,
  IDLE,
  parsedStatementName,
  prefixStatement,
  readMessages,
  readStartup,
} from './wire.ts';

/** The session the groups run on; PGlite in production. */
export interface Session {
  /** Runs raw protocol bytes to their end. @returns everything the server answered. */
  exec(bytes: Uint8Array): Promise<Buffer>;
}

interface Connection {
  readonly id: number;
  readonly send: (bytes: Buffer) => void;
  buffer: Buffer;
  started: boolean;
  group: Buffer[];
  listens: boolean;
  closed: boolean;
  statements: Set<string>;
}

interface Group {
  connection: Connection;
  bytes: Buffer;
  /** Ends in Flush: more messages of the same exchange follow, so the session stays with this connection. */
  continues: boolean;
}

export interface MuxStats {
  groups: number;
  flushes: number;
}

const FLUSH = buildQuery(
  "select case when pg_current_wal_insert_lsn() > pg_current_wal_flush_lsn() then pg_logical_emit_message(false, '', '', true) end",
);
const ROLLBACK = buildQuery('rollback');
/** A batch is flushed when so many replies wait, even if more groups are queued. */
const MOST_HELD_REPLIES = 64;

export class Multiplexer {
  readonly stats: MuxStats = { groups: 0, flushes: 0 };
  private readonly session: Session;
  /** False for an in-memory database: there is nothing to flush. */
  private readonly durable: boolean;
  private readonly connections = new Set<Connection>();
  private queue: Group[] = [];
  private held: { connection: Connection; bytes: Buffer }[] = [];
  private owner: Connection | null = null;
  private running = false;
  private nextId = 1;
  private refusal: { code: string; message: string } | null = null;

  constructor(session: Session, options: { durable: boolean }) {
    this.session = session;
    this.durable = options.durable;
  }

  /** While set, statements that write are answered with this error (a nearly full disk); null lifts it. */
  refuseWrites(refusal: { code: string; message: string } | null): void {
    this.refusal = refusal;
  }

  connect(send: (bytes: Buffer) => void): Connection {
    const connection: Connection = {
      id: this.nextId++,
      send,
      buffer: Buffer.alloc(0),
      started: false,
      group: [],
      listens: false,
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
    for (const message of messages) this.receiveMessage(connection, message);
  }

  /** @returns false when more bytes are needed or the connection was a mere request. */
  private readHandshake(connection: Connection): boolean {
    const startup = readStartup(connection.buffer);
    if (!startup) return false;
    connection.buffer = startup.rest;
    if (startup.kind === 'cancel') return false;
    if (startup.kind === 'ssl') connection.send(Buffer.from('N'));
    else {
      connection.started = true;
      connection.send(buildWelcome(connection.id));
    }
    return true;
  }

  private receiveMessage(connection: Connection, message: Buffer): void {
    const type = message[0];
    if (type === FRONTEND.terminate) return void this.disconnect(connection);
    if ((type === FRONTEND.query || type === FRONTEND.parse) && /\blisten\b/i.test(message.toString('utf8', 5)))
      connection.listens = true;
    const statement = parsedStatementName(message);
    if (statement) connection.statements.add(statement);
    connection.group.push(prefixStatement(message, `c${connection.id}_`));
    if (!endsGroup(type)) return;
    const bytes = connection.group.length === 1 ? (connection.group[0] as Buffer) : Buffer.concat(connection.group);
    connection.group = [];
    this.queue.push({ connection, bytes, continues: type === FRONTEND.flush });
    this.kick();
  }

  /** Ends a connection: what it queued is dropped, its open transaction rolled back, its statements forgotten. */
  disconnect(connection: Connection): void {
    if (connection.closed) return;
    connection.closed = true;
    this.connections.delete(connection);
    this.queue = this.queue.filter((group) => group.connection !== connection);
    if (this.owner === connection || connection.statements.size > 0) {
      this.queue.unshift({ connection, bytes: this.farewell(connection), continues: false });
      this.kick();
    }
  }

  private farewell(connection: Connection): Buffer {
    const names = [...connection.statements].map(
      (name) => `deallocate "c${connection.id}_${name.replaceAll('"', '""')}"`,
    );
    const owned = this.owner === connection ? [ROLLBACK] : [];
    return Buffer.concat([...owned, ...names.map(buildQuery)]);
  }

  private kick(): void {
    if (this.running) return;
    this.running = true;
    void this.run();
  }

  /** The next group that may run: the owner's while a transaction is open, else the oldest. */
  private takeNext(): Group | null {
    const index = this.owner
      ? this.queue.findIndex((group) => group.connection === this.owner)
      : this.queue.length > 0
        ? 0
        : -1;
    return index < 0 ? null : (this.queue.splice(index, 1)[0] ?? null);
  }

  private async run(): Promise<void> {
    try {
      for (;;) {
        if (this.held.length >= MOST_HELD_REPLIES) await this.flush();
        const group = this.takeNext();
        if (group) {
          await this.runGroup(group);
          continue;
        }
        // Nothing may run now: put on disk what was committed, then look again, because clients answer to the replies.
        if (this.held.length === 0) return;
        await this.flush();
        await new Promise(setImmediate);
      }
    } finally {
      this.running = false;
      if (this.queue.length > 0 && (!this.owner || this.queue.some((group) => group.connection === this.owner)))
        this.kick();
    }
  }

  private async runGroup({ connection, bytes, continues }: Group): Promise<void> {
    const refused = this.refusal && !connection.closed && this.owner === null && writes(bytes) ? this.refusal : null;
    if (refused) return connection.send(buildError(refused.code, refused.message));
    const reply = await this.session.exec(bytes);
    this.stats.groups += 1;
    const { state, body } = this.splitReply(reply);
    this.owner = state !== IDLE || continues ? connection : null;
    if (connection.closed) {
      if (state !== IDLE) await this.session.exec(ROLLBACK);
      this.owner = null;
    } else if (state === IDLE && !continues && this.durable) this.held.push({ connection, bytes: body });
    else connection.send(body);
    if (state === FAILED_TRANSACTION) this.owner = connection.closed ? null : connection;
  }

  /** Broadcasts notifications to whoever listens and keeps the rest; reads the transaction status of the last ReadyForQuery. */
  private splitReply(reply: Buffer): { state: number; body: Buffer } {
    const { messages } = readMessages(reply);
    let state: number = IDLE;
    const kept: Buffer[] = [];
    for (const message of messages) {
      if (message[0] === BACKEND.ready) state = message[5] ?? IDLE;
      if (message[0] !== BACKEND.notification) kept.push(message);
      else for (const listener of this.connections) if (listener.listens) listener.send(Buffer.from(message));
    }
    return { state, body: kept.length === messages.length ? reply : Buffer.concat(kept) };
  }

  /** One WAL flush for every reply that waits. */
  private async flush(): Promise<void> {
    const held = this.held;
    this.held = [];
    const reply = await this.session.exec(FLUSH);
    if (reply[0] === BACKEND.error) throw new Error('the write-ahead log could not be flushed');
    this.stats.flushes += 1;
    for (const { connection, bytes } of held) if (!connection.closed) connection.send(bytes);
  }
}

/** Coarse on purpose: a false positive is refused only while the disk is nearly full. */
function writes(bytes: Buffer): boolean {
  return /\b(insert|update|delete|create|alter|copy|begin)\b/i.test(
    bytes.toString('utf8', 0, Math.min(bytes.length, 4_096)),
  );
}
