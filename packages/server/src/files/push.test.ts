// Chat files of push-mode agents from end to end: on machines of a control plane, at an address of one's own, and with the real
// runtime at the other end.

import { randomBytes } from 'node:crypto';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSeat, startFakeAgent, startPeer, startPlatform, type TestPlatform } from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { startMachineSeats } from '../../test/machine-seats.ts';
import { type RuntimeSeat, startRuntimeSeat } from '../../test/runtime-seats.ts';

const MEGABYTE = 1024 * 1024;

async function upload(test: TestPlatform, id: string, content: string | Uint8Array<ArrayBuffer>, name = 'note.txt') {
  const form = new FormData();
  form.append('files', new Blob([content], { type: 'text/plain' }), name);
  const response = await fetch(`${test.url}/workspaces/${id}/chat/uploads`, {
    method: 'POST',
    body: form,
    headers: { authorization: `Bearer ${test.adminToken}` },
  });
  return {
    status: response.status,
    body: (await response.json()) as Record<string, unknown>,
    headers: response.headers,
  };
}

const download = (test: TestPlatform, id: string, path: string) =>
  test.admin.raw('GET', `/workspaces/${id}/chat/download?path=${encodeURIComponent(path)}`);

const secretOf = async (test: TestPlatform, id: string) =>
  (
    await test.db.kysely
      .selectFrom('workspaces')
      .select('platform_inbound_secret')
      .where('id', '=', id)
      .executeTakeFirstOrThrow()
  ).platform_inbound_secret;

describe('wherever the agent runs', () => {
  it('20.68 on a machine of the control plane and at an external address: identical bytes, the bearer and the boundary arrive', async () => {
    const seats = await startMachineSeats();
    onTestFinished(() => seats.stop());
    const machine = await seats.createOnline();
    const outside = await startPeer((_call, response) => void response.end());
    onTestFinished(() => outside.stop());
    const external = await createSeat(seats);
    await seats.client(external.token).register({
      body: {
        id: external.id,
        agent_card: {},
        delivery_mode: 'push',
        url: `http://localhost:${outside.port}/agents/a/`,
      },
    });

    const bytes = randomBytes(2 * MEGABYTE);
    for (const [id, peer, prefix] of [
      [machine, seats.agentOf(machine), ''],
      [external.id, outside, '/agents/a'],
    ] as const) {
      const files = [{ uri: 'workspace:/workspace/note.txt', name: 'note.txt', mimeType: 'text/plain', size: 4 }];
      peer.respond((call, response) => {
        if (call.path.includes('/internal/file/read')) response.end(bytes);
        else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ files }));
      });
      const before = peer.calls.length;
      const content = bytes.toString('base64');
      expect(await upload(seats, id, content)).toMatchObject({ status: 200, body: { files } });
      const response = await download(seats, id, '/workspace/a b.bin');
      expect(Buffer.from(await response.arrayBuffer()).equals(bytes)).toBe(true);

      const [sent, asked] = peer.calls.slice(before);
      const boundary = /^multipart\/form-data; boundary=(.+)$/.exec(sent?.headers['content-type'] ?? '')?.[1];
      expect([sent?.path, asked?.path]).toEqual([
        `${prefix}/internal/chat/uploads/ingest`,
        `${prefix}/internal/file/read?path=%2Fworkspace%2Fa+b.bin`,
      ]);
      expect(sent?.raw.startsWith(`--${boundary}\r\n`)).toBe(true);
      expect(sent?.raw).toContain(`\r\n\r\n${content}\r\n--${boundary}--`);
      expect(Number(sent?.headers['content-length'])).toBe(sent?.raw.length);
      const bearer = `Bearer ${await secretOf(seats, id)}`;
      expect([sent?.headers.authorization, asked?.headers.authorization]).toEqual([bearer, bearer]);
    }
  });
});

describe('with the real runtime', () => {
  let test: TestPlatform;
  let seat: RuntimeSeat;

  beforeAll(async () => {
    test = await startPlatform();
    seat = await startRuntimeSeat(test, { name: 'Ada' });
  });
  afterAll(async () => {
    await seat?.stop();
    await test?.stop();
  });

  it('20.69 what it answers comes back as it is: 413 naming the file, 404; where nobody listens → 502', async () => {
    const large = await upload(test, seat.id, new Uint8Array(26 * MEGABYTE), 'huge.bin');
    expect([large.status, large.body]).toEqual([
      413,
      { error: expect.stringContaining('huge.bin'), code: 'body_too_large' },
    ]);
    const missing = await download(test, seat.id, '/workspace/no-such.txt');
    expect([missing.status, await missing.json()]).toEqual([404, { error: 'file not found', code: 'not_found' }]);

    // The same connections serve what comes next.
    const { status, body } = await upload(test, seat.id, 'hello');
    expect(status).toBe(200);
    const [file] = body.files as { uri: string; size: number }[];
    const response = await download(test, seat.id, (file?.uri ?? '').slice('workspace:'.length));
    expect(await response.text()).toBe('hello');

    const gone = await startFakeAgent(test);
    await gone.stop();
    expect((await upload(test, gone.id, 'x')).body.code).toBe('agent_unreachable');
    expect((await upload(test, gone.id, 'x')).status).toBe(502);
    expect((await download(test, gone.id, '/workspace/a')).status).toBe(502);
  });

  it('20.75 /etc/passwd, .. and relative paths → 400, a link is refused, and no name gets out of its header', async () => {
    for (const path of ['/etc/passwd', '/workspace/../etc', 'note.txt', '/workspace'])
      expect([path, (await download(test, seat.id, path)).status]).toEqual([path, 400]);
    const root = seat.workspaceRoot;
    mkdirSync(root, { recursive: true });
    symlinkSync('/etc/hostname', join(root, 'link.txt'));
    expect((await download(test, seat.id, '/workspace/link.txt')).status).toBe(403);

    const name = 'a"b\r\n.txt';
    writeFileSync(join(root, name), 'content');
    const response = await download(test, seat.id, `/workspace/${name}`);
    expect(response.status).toBe(200);
    expect(await response.text()).toBe('content');
    expect(response.headers.get('content-disposition')).toBe(
      `attachment; filename="a\\"b__.txt"; filename*=UTF-8''a%22b%0D%0A.txt`,
    );
  });
});

describe('the credential for the agent', () => {
  it('20.70 a missing one is made: 503 that says when, the next beat carries it, the retry works; unmakeable → 503 Reprovision, register → 200 without', async () => {
    const test = await startPlatform();
    onTestFinished(() => test.stop());
    const agent = await startFakeAgent(test);
    onTestFinished(() => agent.stop());
    const forget = async () => {
      await sql`update workspaces set platform_inbound_secret = null where id = ${agent.id}`.execute(test.db.kysely);
      test.platform.registry.inboundSecrets.forget(agent.id);
    };
    const register = () =>
      test
        .client(agent.token)
        .register({ body: { id: agent.id, agent_card: {}, delivery_mode: 'push', url: agent.url } });

    await forget();
    const first = await upload(test, agent.id, 'x');
    expect([first.status, first.body.retry_after_seconds, first.headers.get('retry-after')]).toEqual([503, 30, '30']);
    expect(first.body.error).toContain('retry');
    expect(agent.calls).toEqual([]);
    const { body } = await agent.heartbeat();
    expect(body.platform_inbound_secret).toBe(await secretOf(test, agent.id));
    expect((await upload(test, agent.id, 'x')).status).toBe(200);
    expect(agent.calls[0]?.headers.authorization).toBe(`Bearer ${body.platform_inbound_secret}`);
    expect((await register()).platform_inbound_secret).toBe(body.platform_inbound_secret);

    // Nothing new can be stored: the agent registers all the same, and gets no secret.
    await sql`alter table workspaces add constraint no_secret check (platform_inbound_secret is null) not valid`.execute(
      test.db.kysely,
    );
    await forget();
    expect((await register()).platform_inbound_secret).toBeUndefined();
    const { status, body: refusal } = await upload(test, agent.id, 'x');
    expect([status, refusal.error]).toEqual([503, expect.stringContaining('Reprovision')]);
  });
});
