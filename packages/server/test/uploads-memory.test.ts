// Files go through the platform, never into its memory: a real platform process, forms of 50 MB held open with all but their end
// sent. Whoever keeps them in memory has grown by all of them then; the bound is half.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type ClientRequest, createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createClient } from '@molecule/contract';
import { waitFor } from '@molecule/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createKeptStore } from './kept-store.ts';
import { findFreePort, type PlatformProcess, startPlatformProcess } from './platform-process.ts';

const MEGABYTE = 1024 * 1024;
const AT_ONCE = 4;
/** Two files and their headers, just below what a request may hold. */
const FILE_BYTES = 24.9 * MEGABYTE;
const MOST_GROWTH_BYTES = (AT_ONCE * 2 * FILE_BYTES) / 2;
const CHUNK = Buffer.alloc(64 * 1024, 7);
const TAIL = '\r\n--x--\r\n';
const PATIENCE_MS = 60_000;

let platform: PlatformProcess;
const cleanups: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  const store = await createKeptStore((clean) => cleanups.push(clean));
  platform = await startPlatformProcess({
    ...store.env,
    PORT: String(await findFreePort()),
    MOLECULE_DATA_DIR: store.dataDir,
    MOLECULE_PROVISIONER: 'none',
    // The agent of this test listens on loopback.
    MOLECULE_ENV: 'development',
  });
  cleanups.push(() => platform.end('SIGTERM'));
});
afterAll(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

const residentBytes = () =>
  Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${platform.pid}/status`, 'utf8'))?.[1]) * 1024;

async function createSeat(registration: {
  delivery_mode: 'push' | 'poll';
  url?: string;
}): Promise<{ id: string; token: string }> {
  const { id, connection } = await platform.admin.createWorkspace({ body: { name: 'holder', external: true } });
  const token = connection?.auth_token ?? '';
  await createClient({ baseUrl: platform.url, token }).register({ body: { id, agent_card: {}, ...registration } });
  return { id, token };
}

function* formWithoutTail(fileBytes: number): Generator<Buffer> {
  for (const name of ['a.bin', 'b.bin']) {
    yield Buffer.from(`\r\n--x\r\ncontent-disposition: form-data; name="files"; filename="${name}"\r\n\r\n`);
    for (let left = fileBytes; left > 0; left -= CHUNK.length) yield CHUNK.subarray(0, Math.min(left, CHUNK.length));
  }
}

/** Resolves when all but the end of the form has left this process. */
async function begin(seat: { id: string; token: string }, fileBytes = FILE_BYTES) {
  const outgoing = request(`${platform.url}/workspaces/${seat.id}/chat/uploads`, {
    method: 'POST',
    agent: false,
    headers: {
      authorization: `Bearer ${platform.adminToken}`,
      'content-type': 'multipart/form-data; boundary=x',
    },
  });
  const answered = once(outgoing, 'response') as Promise<[IncomingMessage]>;
  await pipeline(Readable.from(formWithoutTail(fileBytes)), outgoing, { end: false });
  await waitFor(
    'it is sent',
    () => outgoing.writableLength === 0 && outgoing.socket?.writableLength === 0,
    PATIENCE_MS,
  );
  return { outgoing, answered };
}

async function finish({ outgoing, answered }: { outgoing: ClientRequest; answered: Promise<[IncomingMessage]> }) {
  outgoing.end(TAIL);
  const [response] = await answered;
  response.resume();
  return response.statusCode;
}

async function measureGrowth(seat: { id: string; token: string }, hasArrived: () => boolean): Promise<number> {
  // What the first of its kind loads is no growth.
  await finish(await begin(seat, MEGABYTE));
  const before = residentBytes();
  const open = await Promise.all(Array.from({ length: AT_ONCE }, () => begin(seat)));
  await waitFor('it has gone through', hasArrived, PATIENCE_MS);
  const growth = residentBytes() - before;
  expect(await Promise.all(open.map(finish))).toEqual(Array.from({ length: AT_ONCE }, () => 200));
  return growth;
}

it('20.137 four forms of 50 MB on their way to a push-mode agent are there, not here', async () => {
  let arrived = 0;
  const agent = createServer((incoming, response) => {
    incoming.on('data', (chunk: Buffer) => {
      arrived += chunk.length;
    });
    incoming.on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end('{"files":[]}'));
  });
  await new Promise<void>((resolve) => agent.listen(0, '127.0.0.1', resolve));
  cleanups.push(async () => {
    agent.closeAllConnections();
    agent.close();
  });
  const seat = await createSeat({
    delivery_mode: 'push',
    url: `http://localhost:${(agent.address() as AddressInfo).port}`,
  });
  const growth = await measureGrowth(seat, () => arrived >= (AT_ONCE * 2 + 2 / 24.9) * FILE_BYTES);
  expect(growth).toBeLessThan(MOST_GROWTH_BYTES);
});

it('20.137 four forms of 50 MB for a poll-mode agent are in the store, not in memory', async () => {
  const seat = await createSeat({ delivery_mode: 'poll' });
  const growth = await measureGrowth(seat, () => true);
  expect(growth).toBeLessThan(MOST_GROWTH_BYTES);
});
