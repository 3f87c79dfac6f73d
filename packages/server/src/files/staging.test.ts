// Files for a poll-mode agent, and from one: kept here piece by piece until they are fetched and acknowledged.

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createSeat, hasReplicas, type Seat, startPlatform, type TestPlatform, waitFor } from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PIECE_BYTES } from './storage.ts';

const MEGABYTE = 1024 * 1024;
let test: TestPlatform;
let logged: Record<string, unknown>[] = [];

beforeAll(async () => {
  test = await startPlatform({ onLog: (line) => void logged.push(line) });
});
beforeEach(() => {
  logged = [];
});
afterAll(async () => {
  await test?.stop();
});

interface Sent {
  name: string;
  content: string | Uint8Array<ArrayBuffer>;
  type?: string;
}

interface Uploaded {
  uri: string;
  name: string;
  mimeType: string;
  size: number;
}

async function createPoller(): Promise<Seat> {
  const seat = await createSeat(test);
  await test
    .client(seat.token)
    .register({ body: { id: seat.id, agent_card: { name: 'poller' }, delivery_mode: 'poll' } });
  return seat;
}

function formOf(files: Sent[], field = 'files'): FormData {
  const form = new FormData();
  for (const { name, content, type } of files) form.append(field, new Blob([content], type ? { type } : {}), name);
  return form;
}

async function upload(id: string, body: FormData | string, { token = test.adminToken, headers = {} } = {}) {
  const response = await fetch(`${test.url}/workspaces/${id}/chat/uploads`, {
    method: 'POST',
    body,
    headers: { authorization: `Bearer ${token}`, ...headers },
  });
  const answer = (await response.json()) as { files?: Uploaded[]; error?: string; code?: string };
  return { status: response.status, body: answer, files: answer.files ?? [] };
}

const fileIdOf = (uri = '') => uri.split('/').at(-1) ?? '';
const contentOf = (id: string, fileId: string, client = test.admin) =>
  client.raw('GET', `/workspaces/${id}/pending-uploads/${fileId}/content`);
const ack = (id: string, fileId: string, client = test.admin) =>
  client.raw('POST', `/workspaces/${id}/pending-uploads/${fileId}/ack`);
const rowsOf = (id: string) =>
  test.db.kysely
    .selectFrom('pending_uploads')
    .selectAll()
    .where('workspace_id', '=', id)
    .orderBy('created_at')
    .execute();
const countPieces = async () =>
  (
    await test.db.kysely
      .selectFrom('pending_upload_pieces')
      .select(sql<number>`count(*)::int`.as('count'))
      .executeTakeFirstOrThrow()
  ).count;
const hash = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');
const sweep = () => {
  const loop = test.platform.files.loops[0];
  if (!loop) throw new Error('there is no loop');
  return loop.run(AbortSignal.timeout(10_000));
};

async function sweptCounts(): Promise<Record<string, number>> {
  const text = await (await test.admin.raw('GET', '/metrics')).text();
  return Object.fromEntries(
    [...text.matchAll(/^molecule_pending_uploads_swept_total\{outcome="(\w+)"\} (\d+)$/gm)].map(([, name, count]) => [
      name,
      Number(count),
    ]),
  );
}

describe('an upload for a poll-mode agent', () => {
  it('is kept byte by byte, told in the inbox, and fetched with its type and name', async () => {
    const seat = await createPoller();
    const agent = test.client(seat.token);
    const bytes = randomBytes(3 * PIECE_BYTES + 17);
    const { status, files } = await upload(
      seat.id,
      formOf([
        { name: 'my plan.png', content: bytes, type: 'application/octet-stream' },
        { name: 'empty.txt', content: '' },
      ]),
    );
    expect(status).toBe(200);
    expect(files).toEqual([
      {
        uri: expect.stringMatching(`^platform-pending:${seat.id}/[0-9a-f-]{36}$`),
        name: 'my_plan.png',
        mimeType: 'image/png',
        size: bytes.length,
      },
      { uri: expect.any(String), name: 'empty.txt', mimeType: 'text/plain', size: 0 },
    ]);
    const inbox = await agent.listActivity({
      params: { id: seat.id },
      query: { type: 'a2a_receive', since_secs: 600 },
    });
    expect(inbox.map(({ method, source_id, request_body }) => ({ method, source_id, request_body })).reverse()).toEqual(
      files.map(({ uri, name, mimeType, size }) => ({
        method: 'chat_upload_receive',
        source_id: null,
        request_body: { file_id: fileIdOf(uri), name, mimeType, size, uri },
      })),
    );
    const response = await contentOf(seat.id, fileIdOf(files[0]?.uri), agent);
    expect(response.status).toBe(200);
    expect(
      Object.fromEntries(
        ['content-type', 'content-length', 'content-disposition', 'x-content-type-options'].map((name) => [
          name,
          response.headers.get(name),
        ]),
      ),
    ).toEqual({
      'content-type': 'image/png',
      'content-length': String(bytes.length),
      'content-disposition': `attachment; filename="my_plan.png"; filename*=UTF-8''my_plan.png`,
      'x-content-type-options': 'nosniff',
    });
    expect(hash(new Uint8Array(await response.arrayBuffer()))).toBe(hash(bytes));
    expect((await (await contentOf(seat.id, fileIdOf(files[1]?.uri), agent)).arrayBuffer()).byteLength).toBe(0);
    for (const { fetched_at, acked_at, direction } of await rowsOf(seat.id))
      expect([fetched_at, acked_at, direction]).toEqual([expect.any(Date), null, 'inbound']);
  });

  it('20.73 another workspace’s file, an acknowledged and an expired one → 404; acknowledging again → 200; 26 MB → 413 naming it', async () => {
    const [a, b] = [await createPoller(), await createPoller()];
    const [agentA, agentB] = [test.client(a.token), test.client(b.token)];
    const staged = await upload(a.id, formOf([{ name: 'a.txt', content: 'hello' }]));
    const fileId = fileIdOf(staged.files[0]?.uri);
    expect((await contentOf(a.id, fileId, agentB)).status).toBe(401);
    for (const call of [contentOf, ack]) {
      expect((await call(b.id, fileId, agentB)).status).toBe(404);
      expect((await call(a.id, crypto.randomUUID(), agentA)).status).toBe(404);
      const malformed = await call(a.id, 'no-uuid', agentA);
      expect([malformed.status, ((await malformed.json()) as { field?: string }).field]).toEqual([400, 'fileId']);
    }
    const before = await countPieces();
    const answers = [];
    for (let time = 0; time < 2; time += 1) {
      const response = await ack(a.id, fileId, agentA);
      answers.push([response.status, await response.json()]);
    }
    expect(answers).toEqual([
      [200, { status: 'acked' }],
      [200, { status: 'acked' }],
    ]);
    expect((await contentOf(a.id, fileId, agentA)).status).toBe(404);
    expect(await countPieces()).toBe(before - 1);

    const stale = fileIdOf((await upload(a.id, formOf([{ name: 'old.txt', content: 'x' }]))).files[0]?.uri);
    await sql`update pending_uploads set expires_at = now() - interval '1 second' where file_id = ${stale}`.execute(
      test.db.kysely,
    );
    expect((await contentOf(a.id, stale, agentA)).status).toBe(404);

    const large = await upload(a.id, formOf([{ name: 'huge file.bin', content: new Uint8Array(26 * MEGABYTE) }]));
    expect([large.status, large.body.code, large.body.error]).toEqual([
      413,
      'body_too_large',
      expect.stringContaining('huge_file.bin'),
    ]);
  });

  it('takes 25 MB to the byte', async () => {
    const seat = await createPoller();
    const bytes = randomBytes(25 * MEGABYTE);
    const { status, files } = await upload(seat.id, formOf([{ name: 'full.bin', content: bytes }]));
    expect([status, files[0]?.size]).toEqual([200, bytes.length]);
    const response = await contentOf(seat.id, fileIdOf(files[0]?.uri));
    expect(hash(new Uint8Array(await response.arrayBuffer()))).toBe(hash(bytes));
    await ack(seat.id, fileIdOf(files[0]?.uri));
  });

  it('all files of a request come together or not at all', async () => {
    const seat = await createPoller();
    const before = await countPieces();
    const { status } = await upload(
      seat.id,
      formOf([
        { name: 'small.txt', content: 'x' },
        { name: 'huge.bin', content: new Uint8Array(26 * MEGABYTE) },
      ]),
    );
    expect(status).toBe(413);
    // A row of the inbox that cannot be stored takes the files back, too.
    await sql`alter table activity_logs add constraint no_uploads check (method <> 'chat_upload_receive') not valid`.execute(
      test.db.kysely,
    );
    try {
      expect((await upload(seat.id, formOf([{ name: 'a.txt', content: 'x' }]))).status).toBe(500);
    } finally {
      await sql`alter table activity_logs drop constraint no_uploads`.execute(test.db.kysely);
    }
    expect(await rowsOf(seat.id)).toEqual([]);
    expect(await countPieces()).toBe(before);
    expect(await test.admin.listActivity({ params: { id: seat.id } })).toEqual([]);
  });

  it('a form that cannot be read, has no file, or too many → its own words, and nothing is kept', async () => {
    const seat = await createPoller();
    const boundary = { 'content-type': 'multipart/form-data; boundary=x' };
    const part = (name: string) =>
      `--x\r\ncontent-disposition: form-data; name="files"; filename="${name}"\r\n\r\nhalf`;
    const refused = [
      await upload(seat.id, 'x', { headers: { 'content-type': 'text/plain' } }),
      await upload(seat.id, 'x', { headers: { 'content-type': 'multipart/form-data' } }),
      await upload(seat.id, part('a.txt'), { headers: boundary }),
      await upload(seat.id, 'nothing at all', { headers: boundary }),
      await upload(seat.id, formOf([])),
      await upload(seat.id, formOf([{ name: 'a.txt', content: 'x' }], 'file')),
      await upload(
        seat.id,
        formOf(Array.from({ length: 65 }, (_, number) => ({ name: `${number}.txt`, content: 'x' }))),
      ),
    ];
    expect(refused.map(({ status, body }) => [status, body.code])).toEqual([
      [415, 'unsupported_media_type'],
      [400, 'invalid_multipart'],
      [400, 'invalid_multipart'],
      [400, 'invalid_multipart'],
      [400, 'no_files'],
      [400, 'no_files'],
      [413, 'body_too_large'],
    ]);
    expect(await rowsOf(seat.id)).toEqual([]);
    expect((await upload(crypto.randomUUID(), formOf([{ name: 'a', content: 'x' }]))).status).toBe(404);
  });

  it('a sender that leaves in the middle leaves nothing behind', async () => {
    const seat = await createPoller();
    const { hostname, port } = new URL(test.url);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    socket.write(
      `POST /workspaces/${seat.id}/chat/uploads HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${test.adminToken}\r\n` +
        'content-type: multipart/form-data; boundary=x\r\ncontent-length: 1000000\r\n\r\n' +
        `--x\r\ncontent-disposition: form-data; name="files"; filename="a.bin"\r\n\r\n${'a'.repeat(2 * PIECE_BYTES)}`,
    );
    await waitFor('the file has begun', async () => (await rowsOf(seat.id)).length === 1);
    const [begun] = await rowsOf(seat.id);
    expect((await contentOf(seat.id, begun?.file_id ?? '')).status).toBe(404);
    socket.destroy();
    await waitFor('it is gone', async () => (await rowsOf(seat.id)).length === 0);
  });

  it('too much that nobody fetches → 429 that says when to come back; what was fetched does not count', async () => {
    const seat = await createPoller();
    const { files } = await upload(seat.id, formOf([{ name: 'a.txt', content: 'x' }]));
    await sql`update pending_uploads set size_bytes = 1073741824 where workspace_id = ${seat.id}`.execute(
      test.db.kysely,
    );
    const full = await upload(seat.id, formOf([{ name: 'b.txt', content: 'x' }]));
    expect([full.status, full.body]).toEqual([
      429,
      expect.objectContaining({ code: 'uploads_full', retry_after: 3_600 }),
    ]);
    await ack(seat.id, fileIdOf(files[0]?.uri));
    expect((await upload(seat.id, formOf([{ name: 'b.txt', content: 'x' }]))).status).toBe(200);
  });

  it('names as the runtime makes them; a type that is none is not believed', async () => {
    const seat = await createPoller();
    const boundary = { 'content-type': 'multipart/form-data; boundary=x' };
    const part =
      '--x\r\ncontent-disposition: form-data; name="files"; filename="../a\\"b.txt"\r\ncontent-type: <script>/\x01\r\n\r\nhi\r\n--x--\r\n';
    const { files } = await upload(seat.id, part, { headers: boundary });
    expect(files).toEqual([expect.objectContaining({ name: 'a_b.txt', mimeType: 'text/plain', size: 2 })]);
  });
});

describe('an upload by a poll-mode agent', () => {
  it('waits a week for the person, makes no row in its own inbox, and is fetched by the canvas', async () => {
    const seat = await createPoller();
    const bytes = randomBytes(1000);
    const { status, files } = await upload(
      seat.id,
      formOf([{ name: 'chart.png', content: bytes, type: 'image/png' }]),
      { token: seat.token },
    );
    expect([status, files[0]?.uri]).toEqual([200, expect.stringContaining(`platform-pending:${seat.id}/`)]);
    expect(await test.admin.listActivity({ params: { id: seat.id } })).toEqual([]);
    const [row] = await rowsOf(seat.id);
    expect(row?.direction).toBe('outbound');
    const days = ((row?.expires_at.getTime() ?? 0) - (row?.created_at.getTime() ?? 0)) / 86_400_000;
    expect(days).toBeCloseTo(7, 2);
    const response = await contentOf(seat.id, fileIdOf(files[0]?.uri));
    expect(hash(new Uint8Array(await response.arrayBuffer()))).toBe(hash(bytes));
    expect(response.headers.get('content-security-policy')).toContain('sandbox');
  });
});

describe('the sweep', () => {
  it.skipIf(hasReplicas())(
    '20.74 of one acknowledged two hours ago, one expired and a fresh one only the fresh is left; what broke off goes as well',
    async () => {
      await sweep();
      const seat = await createPoller();
      const names = ['acked', 'expired', 'fresh', 'acked-now'];
      const ids: Record<string, string> = {};
      for (const name of names)
        ids[name] = fileIdOf((await upload(seat.id, formOf([{ name, content: 'x' }]))).files[0]?.uri);
      for (const name of ['acked', 'acked-now']) await ack(seat.id, ids[name] ?? '');
      await sql`update pending_uploads set acked_at = now() - interval '2 hours' where file_id = ${ids.acked}`.execute(
        test.db.kysely,
      );
      await sql`update pending_uploads set expires_at = now() - interval '1 second' where file_id = ${ids.expired}`.execute(
        test.db.kysely,
      );
      await sql`insert into pending_uploads (workspace_id, filename, mime_type, expires_at)
      values (${seat.id}, 'broken off', 'text/plain', now() - interval '1 second')`.execute(test.db.kysely);
      const before = await sweptCounts();
      expect(before).toEqual({ acked: expect.any(Number), expired: expect.any(Number), error: 0 });
      expect(await sweep()).toEqual({ acked: 1, expired: 2 });
      const after = await sweptCounts();
      expect([after.acked, after.expired]).toEqual([(before.acked ?? 0) + 1, (before.expired ?? 0) + 2]);
      expect((await rowsOf(seat.id)).map(({ filename }) => filename)).toEqual(['fresh', 'acked-now']);
      expect((await ack(seat.id, ids.acked ?? '')).status).toBe(404);
      expect((await contentOf(seat.id, ids.fresh ?? '')).status).toBe(200);
      // Less than no time to keep them is no time.
      await test.platform.files.uploads.sweep(-5);
      expect((await rowsOf(seat.id)).map(({ filename }) => filename)).toEqual(['fresh']);
    },
  );

  it('counts what failed and goes on', async () => {
    await sql`alter table pending_uploads rename to pending_uploads_away`.execute(test.db.kysely);
    try {
      await expect(sweep()).rejects.toThrow();
    } finally {
      await sql`alter table pending_uploads_away rename to pending_uploads`.execute(test.db.kysely);
    }
    expect((await sweptCounts()).error).toBe(1);
    expect(await sweep()).toEqual(expect.objectContaining({ acked: expect.any(Number) }));
  });
});

describe('the log', () => {
  it('20.106 staged, fetched, acked and failed each say workspace, file, size and sanitised name once', async () => {
    const seat = await createPoller();
    logged = [];
    const { files } = await upload(seat.id, formOf([{ name: '../my file.txt', content: 'hello' }]));
    const fileId = fileIdOf(files[0]?.uri);
    await (await contentOf(seat.id, fileId)).arrayBuffer();
    await waitFor('the fetch is logged', () => logged.some(({ msg }) => msg === 'upload fetched'));
    await ack(seat.id, fileId);
    await ack(seat.id, fileId);
    await upload(seat.id, formOf([{ name: 'too large.bin', content: new Uint8Array(26 * MEGABYTE) }]));
    const lines = logged.filter(({ msg }) => String(msg).startsWith('upload '));
    const about = { workspace_id: seat.id, file_id: fileId, size: 5, name: 'my_file.txt' };
    expect(
      lines.map(({ msg, workspace_id, file_id, size, name }) => ({ msg, workspace_id, file_id, size, name })),
    ).toEqual([
      { msg: 'upload staged', ...about },
      { msg: 'upload fetched', ...about },
      { msg: 'upload acked', ...about },
      {
        msg: 'upload failed',
        workspace_id: seat.id,
        file_id: expect.any(String),
        size: expect.any(Number),
        name: 'too_large.bin',
      },
    ]);
  });
});
