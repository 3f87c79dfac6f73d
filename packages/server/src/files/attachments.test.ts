// Files between a person and an agent, both ways and in both delivery modes, with the real runtime at the other end.

import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Turn } from '@molecule/runtime/adapters/adapter';
import { createEchoAdapter } from '@molecule/runtime/adapters/echo/index';
import { startPlatform, type TestPlatform, waitFor } from '@molecule/testkit';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { type RuntimeSeat, type RuntimeSeatOptions, startRuntimeSeat } from '../../test/runtime-seats.ts';

/** A beginning that says what it is; its name does not. */
const PNG = Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), randomBytes(4_000)]);

let test: TestPlatform;
let seat: RuntimeSeat | null = null;

beforeAll(async () => {
  test = await startPlatform();
});
afterEach(async () => {
  await seat?.stop();
  seat = null;
});
afterAll(async () => {
  await test?.stop();
});

async function open(options: Omit<RuntimeSeatOptions, 'name'> = {}): Promise<RuntimeSeat> {
  seat = await startRuntimeSeat(test, { name: 'Ada', ...options });
  await mkdir(seat.workspaceRoot, { recursive: true });
  return seat;
}

const send = (id: string, parts: object[]) =>
  test.admin.raw('POST', `/workspaces/${id}/a2a`, {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      method: 'message/send',
      params: { message: { role: 'user', messageId: crypto.randomUUID(), parts } },
    }),
  });

interface FilePart {
  file: { uri: string; name: string; mimeType: string; size: number };
}

/** What the person is shown of the agent's message: its files, as a reload reads them. */
async function readNotice(id: string): Promise<FilePart['file'][]> {
  const row = await waitFor('the agent has told the person', async () => {
    const rows = await test.admin.listActivity({ params: { id }, query: { type: 'a2a_receive' } });
    return rows.find(
      ({ method, response_body }) =>
        method === 'notify' && ((response_body as { parts?: unknown[] } | undefined)?.parts?.length ?? 0) > 0,
    );
  });
  return ((row.response_body as { parts: FilePart[] }).parts ?? []).map(({ file }) => file);
}

const tool = (paths: string[]) => {
  const input = JSON.stringify({ message: 'Here it is.', attachments: paths });
  return [{ kind: 'text', text: `[[echo: tool send_message_to_user ${input}]]` }];
};

it('20.61 a png an agent sends in push mode stays image/png, by its name or by how it begins, and downloads byte by byte', async () => {
  const { id, workspaceRoot } = await open();
  for (const name of ['chart.png', 'chart']) writeFileSync(join(workspaceRoot, name), PNG);
  expect((await send(id, tool(['/workspace/chart.png', '/workspace/chart']))).status).toBe(200);
  const files = await readNotice(id);
  expect(files).toEqual(
    ['chart.png', 'chart'].map((name) => ({
      uri: `workspace:/workspace/${name}`,
      name,
      mimeType: 'image/png',
      size: PNG.length,
    })),
  );
  const path = encodeURIComponent('/workspace/chart.png');
  const response = await test.admin.raw('GET', `/workspaces/${id}/chat/download?path=${path}`);
  expect(response.headers.get('content-type')).toBe('image/png');
  expect(Buffer.from(await response.arrayBuffer()).equals(PNG)).toBe(true);
});

it('20.135 a poll-mode agent leaves its files at the platform: image/png kept, no row in its inbox, fetched by the person', async () => {
  const { id, workspaceRoot } = await open({ config: 'delivery_mode: poll\n' });
  writeFileSync(join(workspaceRoot, 'chart'), PNG);
  expect(await (await send(id, tool(['/workspace/chart']))).json()).toMatchObject({ delivery_mode: 'poll' });
  const [file] = await readNotice(id);
  expect(file).toEqual({
    uri: expect.stringMatching(`^platform-pending:${id}/[0-9a-f-]{36}$`),
    name: 'chart',
    mimeType: 'image/png',
    size: PNG.length,
  });
  const [, fileId] = file?.uri.split('/') ?? [];
  const response = await test.admin.raw('GET', `/workspaces/${id}/pending-uploads/${fileId}/content`);
  expect(response.headers.get('content-type')).toBe('image/png');
  expect(Buffer.from(await response.arrayBuffer()).equals(PNG)).toBe(true);
  const rows = await test.admin.listActivity({ params: { id } });
  expect(rows.filter(({ method }) => method === 'chat_upload_receive')).toEqual([]);
});

it('20.72 what a person uploads for a poll-mode agent waits as platform-pending, passes its inbox, and is a local file when the message comes', async () => {
  const turns: Turn[] = [];
  const adapter = {
    ...createEchoAdapter(),
    createExecutor: async () => ({
      run: async (turn: Turn) => {
        turns.push(turn);
        return { text: 'seen' };
      },
    }),
  };
  const { id, workspaceRoot } = await open({ config: 'delivery_mode: poll\n', adapter });
  const form = new FormData();
  form.append('files', new Blob([PNG], { type: 'image/png' }), 'my chart.png');
  const response = await fetch(`${test.url}/workspaces/${id}/chat/uploads`, {
    method: 'POST',
    body: form,
    headers: { authorization: `Bearer ${test.adminToken}` },
  });
  const { files } = (await response.json()) as { files: { uri: string; name: string; mimeType: string }[] };
  expect([response.status, files[0]?.uri]).toEqual([200, expect.stringMatching(`^platform-pending:${id}/`)]);
  const rows = await test.admin.listActivity({ params: { id }, query: { type: 'a2a_receive' } });
  expect(rows.map(({ activity_type, method }) => [activity_type, method])).toEqual([
    ['a2a_receive', 'chat_upload_receive'],
  ]);

  await send(id, [
    { kind: 'text', text: 'What is this?' },
    { kind: 'file', file: files[0] },
  ]);
  const turn = await waitFor('the turn has begun', () => turns[0]);
  const local = turn.files[0]?.uri ?? '';
  expect(local).toMatch(/^workspace:\/workspace\/\.molecule\/chat-uploads\/[0-9a-f]{32}-my_chart\.png$/);
  expect(readFileSync(join(workspaceRoot, local.slice('workspace:/workspace/'.length))).equals(PNG)).toBe(true);
  const [row] = await test.db.kysely.selectFrom('pending_uploads').selectAll().where('workspace_id', '=', id).execute();
  expect(row?.acked_at).toEqual(expect.any(Date));
});
