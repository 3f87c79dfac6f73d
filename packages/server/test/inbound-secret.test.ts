// The credential from the platform to an agent, lost and healed, with the real runtime at the other end.

import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startAgent } from '@molecule/runtime';
import { createSeat, startPlatform, type TestPlatform } from '@molecule/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';

const BEAT_MS = 100;
let test: TestPlatform;
let home: string;
beforeAll(async () => {
  test = await startPlatform({ replicas: 1 });
  home = await mkdtemp(join(tmpdir(), 'molecule-agent-'));
});
afterAll(async () => {
  await test?.stop();
  await rm(home, { recursive: true, force: true });
});

async function readRefusal(response: Response | null): Promise<{ headers: Headers; body: unknown }> {
  if (!response) throw new Error('nothing was refused');
  return { headers: response.headers, body: await response.json() };
}

async function findFreePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

it('10.12 an upload on a null secret → 503, retry 30; the next beat, also one repeated after a 401, carries it; stored 0600; the retry works', async () => {
  const { id, token } = await createSeat(test, { external: false, runtime: 'echo' });
  const port = await findFreePort();
  const row = test.db.kysely.updateTable('workspaces').where('id', '=', id);
  await row.set({ url: `http://127.0.0.1:${port}`, url_source: 'provisioner' }).execute();
  test.platform.workspaces.forget(id);
  await writeFile(join(home, 'config.yaml'), 'name: seat\nruntime: echo\n');
  await writeFile(join(home, '.auth_token'), token, { mode: 0o600 });
  const agent = await startAgent({
    workspaceId: id,
    configDir: home,
    workspaceRoot: join(home, 'workspace'),
    platformUrl: test.url,
    port,
    heartbeatMs: BEAT_MS,
    env: { LOG_LEVEL: 'silent' },
  });
  try {
    const statusOf = async () => (await test.admin.getWorkspace({ params: { id } })).status;
    await expect.poll(statusOf).toBe('online');
    const upload = async () => {
      const form = new FormData();
      form.append('files', new Blob(['the answer']), 'answer.txt');
      return await fetch(`${test.url}/workspaces/${id}/chat/uploads`, {
        method: 'POST',
        body: form,
        headers: { authorization: `Bearer ${test.adminToken}` },
      });
    };
    await expect.poll(async () => (await upload()).status).toBe(200);

    const secretFile = join(home, '.platform_inbound_secret');
    const kept = () => readFile(secretFile, 'utf8');
    const readStored = async () =>
      (await test.db.kysely.selectFrom('workspaces').selectAll().where('id', '=', id).executeTakeFirst())
        ?.platform_inbound_secret;
    const lose = async () => {
      await row.set({ platform_inbound_secret: null }).execute();
      test.platform.workspaces.forget(id);
      // What it remembers for five minutes is gone with its process, or its time.
      test.platform.registry.inboundSecrets.forget(id);
    };
    /** In this order no beat between the two can heal it with the old token unseen: the upload would then succeed. */
    const loseWithToken = async () => {
      const { tokens } = await test.admin.listTokens({ params: { id } });
      const { auth_token: fresh } = await test.admin.createToken({ params: { id } });
      await writeFile(join(home, '.auth_token'), fresh, { mode: 0o600 });
      await lose();
      for (const { id: tokenId } of tokens) await test.admin.revokeToken({ params: { id, tokenId } });
    };
    for (const attempt of [lose, loseWithToken]) {
      const before = await kept();
      let refused: Response | null = null;
      // A beat that comes between the two heals it first; then it is lost once more.
      const tryOnce = async () => {
        await attempt();
        refused = await upload();
        return refused.status;
      };
      await expect.poll(tryOnce).toBe(503);
      const { headers, body } = await readRefusal(refused);
      expect([headers.get('retry-after'), body]).toMatchObject([
        '30',
        { code: 'inbound_secret_missing', retry_after_seconds: 30 },
      ]);
      await expect.poll(async () => (await kept()) === (await readStored())).toBe(true);
      expect(await kept()).not.toBe(before);
      expect((await stat(secretFile)).mode & 0o777).toBe(0o600);
      const { files } = (await (await upload()).json()) as { files: { uri: string }[] };
      const stored = files[0]?.uri.replace('workspace:/workspace/', '') ?? '';
      expect(await readFile(join(home, 'workspace', stored), 'utf8')).toBe('the answer');
    }
  } finally {
    await agent.stop();
  }
}, 90_000);
