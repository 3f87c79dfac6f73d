import { createSeat, startPlatform, type TestPlatform } from '@molecule/testkit';
import { sql } from 'kysely';
import { expect, it } from 'vitest';

/** Calls that cannot be decided without a lookup, as [what, method, path, headers, body]. */
async function listCalls(test: TestPlatform) {
  const seat = await createSeat(test);
  const other = await createSeat(test);
  const { auth_token: org } = await test.admin.createOrgToken({ body: {} });
  const signedIn = await fetch(`${test.url}/auth/session`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ token: test.adminToken }),
  });
  const cookie = { cookie: signedIn.headers.get('set-cookie')?.split(';')[0] ?? '' };
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  const card = { id: seat.id, agent_card: {}, delivery_mode: 'poll' };
  return [
    ['register', 'POST', '/registry/register', bearer(seat.token), card],
    ['register without a bearer', 'POST', '/registry/register', {}, card],
    ['heartbeat', 'POST', '/registry/heartbeat', bearer(seat.token), { workspace_id: seat.id }],
    ['update-card', 'POST', '/registry/update-card', bearer(seat.token), { workspace_id: seat.id, agent_card: {} }],
    ['discover', 'GET', `/registry/discover/${other.id}`, bearer(seat.token)],
    ['admin by org token', 'GET', '/workspaces', bearer(org)],
    ['admin by session', 'GET', '/workspaces', cookie],
    ['admin by an unknown bearer', 'DELETE', `/workspaces/${seat.id}`, bearer('unknown')],
    ['state', 'GET', `/workspaces/${seat.id}/state`, bearer(seat.token)],
    [
      'viewport with a bearer',
      'PUT',
      '/canvas/viewport',
      { ...bearer('unknown'), origin: 'http://localhost:3000' },
      { x: 1, y: 1, zoom: 1 },
    ],
    ['a2a', 'POST', `/workspaces/${other.id}/a2a`, bearer(seat.token), { method: 'message/send' }],
    ['sign-in', 'POST', '/auth/session', {}, { token: org }],
    ['sign-in by code', 'POST', '/auth/session', {}, { code: 'any' }],
  ] as [string, string, string, Record<string, string>, object?][];
}

async function assertUnavailable(test: TestPlatform, calls: Awaited<ReturnType<typeof listCalls>>): Promise<void> {
  for (const [what, method, path, headers, body] of calls) {
    const response = await fetch(test.url + path, {
      method,
      headers: body ? { ...headers, 'content-type': 'application/json' } : headers,
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    expect([what, response.status, await response.json()]).toEqual([
      what,
      503,
      expect.objectContaining({ code: 'platform_unavailable', retry_after: 5 }),
    ]);
    expect(response.headers.get('retry-after')).toBe('5');
  }
}

it('10.26 a token lookup that fails → 503 on register, heartbeat, discover, admin, never 200', async () => {
  const test = await startPlatform();
  try {
    const calls = await listCalls(test);
    // A platform that remembers none of these tokens: each call must ask the database.
    const cold = await startPlatform({ db: test.db, dataDir: test.dataDir });
    try {
      for (const table of ['workspace_auth_tokens', 'sessions', 'sign_in_codes', 'org_api_tokens'])
        await sql`alter table ${sql.table(table)} rename to ${sql.table(`hidden_${table}`)}`.execute(test.db.kysely);
      await assertUnavailable(cold, calls);
    } finally {
      await cold.stop();
    }
  } finally {
    await test.stop();
  }
});

it('10.26 a database that is gone → 503 on the same calls; the platform itself goes on serving', async () => {
  const test = await startPlatform();
  const calls = await listCalls(test);
  const cold = await startPlatform({ db: test.db, dataDir: test.dataDir });
  await test.db.close();
  try {
    await assertUnavailable(cold, calls);
    expect((await fetch(`${cold.url}/health`)).status).toBe(200);
    expect((await fetch(`${cold.url}/metrics`)).status).toBe(200);
  } finally {
    await cold.stop();
    await test.stop();
  }
});
