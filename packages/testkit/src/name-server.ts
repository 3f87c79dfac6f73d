// A name server at the edge of the process: answers over UDP as a test tells it, with no time to live, and keeps what it was asked.

import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';

export interface NameServer {
  /** Names it was asked for, in order; a question for each address family is one. */
  asked: string[];
  /** Asks it for the IPv4 addresses of a name, as a platform under test does. */
  resolve(host: string): Promise<string[]>;
  stop(): Promise<void>;
}

const HEADER_BYTES = 12;
const TYPE_A = 1;
const IS_ANSWER = 0x8180;
const POINTER_TO_NAME = 0xc000 | HEADER_BYTES;
const NO_SUCH_NAME = 3;

interface Question {
  name: string;
  type: number;
  /** The question as it stands in the packet. */
  bytes: Buffer;
}

function readQuestion(packet: Buffer): Question {
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = packet[at] ?? 0; length > 0; length = packet[at] ?? 0) {
    labels.push(packet.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const end = at + 5;
  return {
    name: labels.join('.').toLowerCase(),
    type: packet.readUInt16BE(at + 1),
    bytes: packet.subarray(HEADER_BYTES, end),
  };
}

function writeAnswer(packet: Buffer, question: Question, addresses: readonly string[]): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  packet.copy(header, 0, 0, 2);
  header.writeUInt16BE(IS_ANSWER | (addresses.length === 0 ? NO_SUCH_NAME : 0), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(addresses.length, 6);
  const records = addresses.map((address) => {
    const record = Buffer.alloc(16);
    record.writeUInt16BE(POINTER_TO_NAME, 0);
    record.writeUInt16BE(TYPE_A, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt16BE(4, 10);
    Buffer.from(address.split('.').map(Number)).copy(record, 12);
    return record;
  });
  return Buffer.concat([header, question.bytes, ...records]);
}

/**
 * Listens on a free loopback port.
 * @param answer the IPv4 addresses of a name, asked for the `count`th time, beginning with 1; none = there is no such name.
 */
export async function startNameServer(answer: (name: string, count: number) => readonly string[]): Promise<NameServer> {
  const asked: string[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (packet, peer) => {
    const question = readQuestion(packet);
    asked.push(question.name);
    const count = asked.filter((name) => name === question.name).length;
    const addresses = question.type === TYPE_A ? answer(question.name, count) : [];
    socket.send(writeAnswer(packet, question, addresses), peer.port, peer.address);
  });
  await new Promise<void>((done) => socket.bind(0, '127.0.0.1', done));
  const resolver = new Resolver({ tries: 1, timeout: 2_000 });
  resolver.setServers([`127.0.0.1:${socket.address().port}`]);
  return {
    asked,
    resolve: (host) => resolver.resolve4(host),
    stop: () => new Promise((done) => socket.close(() => done())),
  };
}
