// What the log may know of credentials: everything a platform writes at its most talkative, while every kind of credential is made,
// used, misused and taken away.

import { randomBytes } from 'node:crypto';
import {
  answerStatus,
  createSeat,
  startControlPlane,
  startFakeAgent,
  startPlatform,
  type TestPlatform,
  waitFor,
} from '@molecule/testkit';
import { afterEach, expect, it } from 'vitest';

const RUN = 6;
const PREFIX = 8;
const createToken = () => randomBytes(32).toString('base64url');

const stopping: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stopping.splice(0).reverse()) await stop();
});

/** Runs of characters of a secret that stand in a line; of a stored token the first eight may. */
function findRuns(lines: readonly string[], secret: string, shown: number): string[] {
  const runs = Array.from({ length: secret.length - shown - RUN + 1 }, (_, at) =>
    secret.slice(shown + at, shown + at + RUN),
  );
  return lines.filter((line) => runs.some((run) => line.includes(run)));
}

interface Known {
  /** Whose first eight characters are stored. */
  tokens: string[];
  /** Of which nothing may be seen. */
  secrets: string[];
}

async function postJson(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
  return await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
}

/** Signs in, mints, rotates, revokes, and uses each credential where it belongs and where it does not. */
async function useEverything(test: TestPlatform): Promise<Known> {
  const { auth_token: org } = await test.admin.createOrgToken({ body: { name: 'ops' } });
  const { url: link } = await test.admin.createSignInLink();
  const code = new URL(link).searchParams.get('code') ?? '';
  const bySession = await postJson(`${test.url}/auth/session`, { code });
  const cookie = bySession.headers.get('set-cookie')?.split(';')[0] ?? '';
  const byToken = await postJson(`${test.url}/auth/session`, { token: org });
  const otherCookie = byToken.headers.get('set-cookie')?.split(';')[0] ?? '';
  const sessions = [cookie, otherCookie].map((one) => one.split('=')[1] ?? '');

  const external = await createSeat(test);
  const agent = await startFakeAgent(test);
  stopping.push(agent.stop);
  const own = test.client(agent.token);
  await own.register({ body: { id: agent.id, agent_card: { name: 'agent' }, url: agent.url, delivery_mode: 'push' } });
  await agent.heartbeat({ current_task: 'work' });
  const rotation = await test.admin.raw('POST', `/workspaces/${external.id}/external/rotate`);
  const { connection } = (await rotation.json()) as { connection: { auth_token: string } };
  const { auth_token: minted } = await own.createToken({ params: { id: agent.id } });
  const [newest] = (await own.listTokens({ params: { id: agent.id } })).tokens;
  await own.revokeToken({ params: { id: agent.id, tokenId: newest?.id ?? '' } });
  const secretValue = createToken();
  await own.saveSecret({ params: { id: agent.id }, body: { key: 'API_KEY', value: secretValue } });
  await own.getSecretValues({ params: { id: agent.id } });
  const { platform_inbound_secret: inbound } = await test.db.kysely
    .selectFrom('workspaces')
    .select('platform_inbound_secret')
    .where('id', '=', agent.id)
    .executeTakeFirstOrThrow();

  const guesses = [createToken(), createToken(), agent.token.slice(0, -1), `${org}x`];
  const everything = [test.adminToken, org, external.token, agent.token, minted, connection.auth_token, ...guesses];
  const message = { method: 'message/send', params: { message: { parts: [{ kind: 'text', text: 'hello' }] } } };
  for (const bearer of [...everything, ...sessions, code, inbound ?? '']) {
    const headers = { authorization: `Bearer ${bearer}` };
    await postJson(`${test.url}/workspaces/${agent.id}/a2a`, message, headers);
    await postJson(`${test.url}/workspaces/${agent.id}/a2a`, message, { ...headers, 'x-workspace-id': 'system:x' });
    await postJson(`${test.url}/registry/heartbeat`, { workspace_id: agent.id }, headers);
    await postJson(
      `${test.url}/registry/register`,
      { id: external.id, agent_card: {}, delivery_mode: 'poll' },
      headers,
    );
    await postJson(`${test.url}/auth/session`, { token: bearer });
    await postJson(`${test.url}/auth/session`, { code: bearer });
    for (const path of ['/workspaces', `/workspaces/${agent.id}`, '/org/tokens', `/login?code=${bearer}`, '/no-such'])
      await fetch(test.url + path, { headers });
    await fetch(`${test.url}/workspaces`, { headers: { authorization: `Basic ${bearer}` } });
    await fetch(`${test.url}/workspaces`, { headers: { cookie: `molecule_session=${bearer}; cp=${bearer}` } });
  }
  for (const one of [cookie, otherCookie])
    await fetch(`${test.url}/auth/session`, { method: 'DELETE', headers: { cookie: one } });
  const [orgRow] = (await test.admin.listOrgTokens()).tokens;
  await test.admin.revokeOrgToken({ params: { tokenId: orgRow?.id ?? '' } });
  await test.admin.deleteWorkspace({ params: { id: external.id } });
  return {
    tokens: [org, external.token, agent.token, minted, connection.auth_token],
    secrets: [test.adminToken, code, secretValue, inbound ?? '', ...sessions, ...guesses.slice(0, 2)].filter(Boolean),
  };
}

it('10.38 no log line holds a token beyond its stored prefix, whatever is done with it; a control plane that names no error is logged by its byte count', async () => {
  const lines: string[] = [];
  const onLog = (line: Record<string, unknown>) => void lines.push(JSON.stringify(line));
  const test = await startPlatform({ env: { ADMIN_TOKEN: createToken(), MOLECULE_ENV: 'staging' }, onLog });
  stopping.push(test.stop);
  const { tokens, secrets } = await useEverything(test);
  expect([tokens.length, secrets.length]).toEqual([5, 8]);
  // It talks at all, also of what was refused.
  expect(lines.some((line) => line.includes('forged a reserved id'))).toBe(true);
  for (const token of tokens) expect(findRuns(lines, token, PREFIX)).toEqual([]);
  for (const secret of secrets) expect(findRuns(lines, secret, 0)).toEqual([]);

  const sharedSecret = createToken();
  const controlPlane = await startControlPlane({ sharedSecret });
  stopping.push(controlPlane.stop);
  const hosted = await startPlatform({
    env: {
      ADMIN_TOKEN: createToken(),
      MOLECULE_ORG_ID: 'acme',
      MOLECULE_PROVISIONER: 'control-plane',
      MOLECULE_CP_URL: controlPlane.url,
      MOLECULE_CP_SHARED_SECRET: sharedSecret,
      PLATFORM_URL: 'https://platform.example',
    },
    onLog,
  });
  stopping.push(hosted.stop);
  const body = JSON.stringify({ detail: 'ami-planted in vpc-planted' });
  controlPlane.fail('provision', answerStatus(500, body));
  await hosted.admin.createWorkspace({ body: { name: 'seat', runtime: 'echo' } });
  await controlPlane.waitFor('provision', 1);
  await waitFor('the failure was logged', () => lines.some((line) => line.includes(`500: ${body.length} bytes`)));
  expect(lines.filter((line) => line.includes('planted'))).toEqual([]);
  for (const secret of [sharedSecret, hosted.adminToken]) expect(findRuns(lines, secret, 0)).toEqual([]);
});

it('the search above finds what it looks for', () => {
  const token = createToken();
  expect(findRuns([`said ${token.slice(0, PREFIX)}`], token, PREFIX)).toEqual([]);
  expect(findRuns([`said ${token.slice(0, PREFIX + RUN)}`], token, PREFIX)).toHaveLength(1);
  expect(findRuns([`said ${token.slice(-RUN)}`], token, PREFIX)).toHaveLength(1);
});
