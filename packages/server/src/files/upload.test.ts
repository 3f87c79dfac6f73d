// Uploading what a person attaches: streamed to the agent that keeps it, never buffered here.

import { request as httpRequest } from 'node:http';
import { type FakeAgent, startFakeAgent, startPlatform, type TestPlatform } from '@molecule/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

let test: TestPlatform;
const agents: FakeAgent[] = [];

beforeAll(async () => {
  test = await startPlatform();
});
afterEach(async () => {
  for (const agent of agents.splice(0)) await agent.stop();
});
afterAll(async () => {
  await test?.stop();
});

async function startHolder(options: Parameters<typeof startFakeAgent>[1] = {}): Promise<FakeAgent> {
  const agent = await startFakeAgent(test, options);
  agents.push(agent);
  return agent;
}

async function upload(id: string, body: FormData | string, headers: Record<string, string> = {}) {
  const response = await fetch(`${test.url}/workspaces/${id}/chat/uploads`, {
    method: 'POST',
    body,
    headers: { authorization: `Bearer ${test.adminToken}`, ...headers },
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

function formOf(content: string): FormData {
  const form = new FormData();
  form.append('files', new Blob([content], { type: 'text/plain' }), 'note.txt');
  return form;
}

describe('POST /workspaces/:id/chat/uploads', () => {
  it('hands the form on as it is, with the inbound secret, and passes the answer back', async () => {
    const files = [{ uri: 'workspace:/workspace/note.txt', name: 'note.txt', mimeType: 'text/plain', size: 5 }];
    const agent = await startHolder({
      respond: (_call, response) =>
        void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ files })),
    });
    expect(await upload(agent.id, formOf('hello'))).toEqual({ status: 200, body: { files } });
    const [call] = await agent.waitForCalls(1);
    expect(call?.path).toBe('/internal/chat/uploads/ingest');
    const boundary = /boundary=(.+)$/.exec(call?.headers['content-type'] ?? '')?.[1];
    expect(call?.raw.startsWith(`--${boundary}`)).toBe(true);
    expect(call?.raw).toContain('\r\n\r\nhello\r\n');
    const { platform_inbound_secret: secret } = await test.db.kysely
      .selectFrom('workspaces')
      .select('platform_inbound_secret')
      .where('id', '=', agent.id)
      .executeTakeFirstOrThrow();
    expect(call?.headers.authorization).toBe(`Bearer ${secret}`);
  });

  it('what the agent refuses is passed on with its own words', async () => {
    const agent = await startHolder({
      respond: (_call, response) =>
        void response
          .writeHead(413, { 'content-type': 'application/json' })
          .end(JSON.stringify({ error: 'huge.bin is larger than 25 MB', code: 'body_too_large' })),
    });
    expect(await upload(agent.id, formOf('x'))).toEqual({
      status: 413,
      body: { error: 'huge.bin is larger than 25 MB', code: 'body_too_large' },
    });
  });

  it('refuses what is no form, and more than 50 MB by its declared length without calling the agent', async () => {
    const agent = await startHolder();
    const plain = await upload(agent.id, '{}', { 'content-type': 'application/json' });
    expect([plain.status, plain.body.code]).toEqual([415, 'unsupported_media_type']);
    const declared = await new Promise<number | undefined>((resolve, reject) => {
      const request = httpRequest(`${test.url}/workspaces/${agent.id}/chat/uploads`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${test.adminToken}`,
          'content-type': 'multipart/form-data; boundary=x',
          'content-length': String(51 * 1024 * 1024),
        },
      });
      request.on('response', (response) => {
        resolve(response.statusCode);
        request.destroy();
      });
      request.on('error', reject);
      request.flushHeaders();
    });
    expect(declared).toBe(413);
    expect(agent.calls).toEqual([]);
  });

  it('more than 50 MB without a declared length is cut off where it grows too long', async () => {
    const agent = await startHolder();
    const status = await new Promise<number | undefined>((resolve) => {
      const request = httpRequest(`${test.url}/workspaces/${agent.id}/chat/uploads`, {
        method: 'POST',
        headers: { authorization: `Bearer ${test.adminToken}`, 'content-type': 'multipart/form-data; boundary=x' },
      });
      request.on('response', (response) => {
        resolve(response.statusCode);
        request.destroy();
      });
      // The platform may hang up before the last piece is out; its answer then came first.
      request.on('error', () => {});
      const piece = Buffer.alloc(1024 * 1024);
      let left = 52;
      const send = (): void => {
        if (left === 0) return void request.end();
        left -= 1;
        request.write(piece, () => send());
      };
      send();
    });
    expect(status).toBe(413);
  });

  it('an agent that is not there → 502', async () => {
    const agent = await startHolder();
    await agent.stop();
    agents.pop();
    const reply = await upload(agent.id, formOf('x'));
    expect([reply.status, reply.body.code]).toEqual([502, 'agent_unreachable']);
  });
});
