// The few pieces of the PostgreSQL wire protocol (v3) the multiplexer needs: cutting, building and renaming messages.
// Source: PostgreSQL documentation, "Frontend/Backend Protocol".

export const FRONTEND = {
  bind: 0x42,
  close: 0x43,
  describe: 0x44,
  execute: 0x45,
  flush: 0x48,
  parse: 0x50,
  query: 0x51,
  sync: 0x53,
  terminate: 0x58,
  copyDone: 0x63,
  copyData: 0x64,
  copyFail: 0x66,
} as const;
export const BACKEND = { notification: 0x41, error: 0x45, copyIn: 0x47, ready: 0x5a } as const;
/** Transaction status of ReadyForQuery. */
export const IDLE = 0x49;
export const FAILED_TRANSACTION = 0x45;

const SSL_REQUEST = 80_877_103;
const CANCEL_REQUEST = 80_877_102;

function cstring(text: string): Buffer {
  return Buffer.concat([Buffer.from(text), Buffer.from([0])]);
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

export function buildMessage(type: string, ...parts: Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body]);
}

export function buildQuery(text: string): Buffer {
  return buildMessage('Q', cstring(text));
}

/** @param severity FATAL tells the client that its connection ends with this. */
export function buildError(code: string, message: string, severity: 'ERROR' | 'FATAL' = 'ERROR'): Buffer {
  const fields = [`S${severity}`, `V${severity}`, `C${code}`, `M${message}`].map(cstring);
  return buildMessage('E', ...fields, Buffer.from([0]));
}

/** SQLSTATE of an ErrorResponse. */
export function readErrorCode(message: Buffer): string {
  for (let offset = 5; offset < message.length && message[offset] !== 0; ) {
    const end = message.indexOf(0, offset);
    if (message[offset] === 0x43) return message.toString('latin1', offset + 1, end);
    offset = end + 1;
  }
  return '';
}

export const SYNC = buildMessage('S');
/** Ignored by a server that is not in the middle of COPY FROM STDIN; there it ends the copy with an error. */
export const COPY_FAIL = buildMessage('f', cstring('refused'));

const PARAMETERS: Record<string, string> = {
  server_encoding: 'UTF8',
  client_encoding: 'UTF8',
  DateStyle: 'ISO, MDY',
  TimeZone: 'UTC',
  integer_datetimes: 'on',
  standard_conforming_strings: 'on',
  IntervalStyle: 'postgres',
};

/** What a server says after a start-up packet: trusted, its parameters, a key nobody uses, ready. */
export function buildWelcome(connectionId: number, serverVersion: string): Buffer {
  const parameters = Object.entries({ server_version: serverVersion, ...PARAMETERS }).map(([name, value]) =>
    buildMessage('S', cstring(name), cstring(value)),
  );
  return Buffer.concat([
    buildMessage('R', int32(0)),
    ...parameters,
    buildMessage('K', int32(connectionId), int32(0)),
    buildMessage('Z', Buffer.from([IDLE])),
  ]);
}

export interface Startup {
  kind: 'startup' | 'ssl' | 'cancel';
  rest: Buffer;
}

/** The first, untyped packet of a connection; null when it is not complete yet. */
export function readStartup(buffer: Buffer): Startup | null {
  if (buffer.length < 8) return null;
  const length = buffer.readInt32BE(0);
  if (buffer.length < length) return null;
  const code = buffer.readInt32BE(4);
  return {
    kind: code === SSL_REQUEST ? 'ssl' : code === CANCEL_REQUEST ? 'cancel' : 'startup',
    rest: buffer.subarray(length),
  };
}

/** Cuts whole messages off the front of a buffer. */
export function readMessages(buffer: Buffer): { messages: Buffer[]; rest: Buffer } {
  const messages: Buffer[] = [];
  let offset = 0;
  while (offset + 5 <= buffer.length) {
    const end = offset + 1 + buffer.readInt32BE(offset + 1);
    if (end > buffer.length) break;
    messages.push(buffer.subarray(offset, end));
    offset = end;
  }
  return { messages, rest: buffer.subarray(offset) };
}

/** Where the statement name of a message starts; -1 for messages without one. */
function statementNameOffset(message: Buffer): number {
  switch (message[0]) {
    case FRONTEND.parse:
      return 5;
    case FRONTEND.bind:
      return message.indexOf(0, 5) + 1;
    case FRONTEND.describe:
    case FRONTEND.close:
      return message[5] === 0x53 ? 6 : -1;
    default:
      return -1;
  }
}

/** Prefixes a named statement, so that names of different connections do not meet in the one session. */
export function prefixStatement(message: Buffer, prefix: string): Buffer {
  const offset = statementNameOffset(message);
  if (offset < 0 || message[offset] === 0) return message;
  const renamed = Buffer.concat([message.subarray(0, offset), Buffer.from(prefix), message.subarray(offset)]);
  renamed.writeInt32BE(renamed.length - 1, 1);
  return renamed;
}

/** Name of the statement a Parse message creates; null for the unnamed one and for other messages. */
export function parsedStatementName(message: Buffer): string | null {
  if (message[0] !== FRONTEND.parse || message[5] === 0) return null;
  return message.toString('utf8', 5, message.indexOf(0, 5));
}

/** SQL of a Query or Parse message; '' for others. */
export function sqlOf(message: Buffer): string {
  if (message[0] === FRONTEND.query) return message.toString('utf8', 5, message.length - 1);
  if (message[0] !== FRONTEND.parse) return '';
  const start = message.indexOf(0, 5) + 1;
  return message.toString('utf8', start, message.indexOf(0, start));
}

/** True for messages after which the server answers: a group ends here. */
export function endsGroup(type: number | undefined): boolean {
  return type === FRONTEND.sync || type === FRONTEND.query || type === FRONTEND.flush;
}

export function isCopyMessage(type: number | undefined): boolean {
  return type === FRONTEND.copyData || type === FRONTEND.copyDone || type === FRONTEND.copyFail;
}
