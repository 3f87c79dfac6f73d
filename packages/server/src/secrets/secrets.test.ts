import { type ApiError, createClient } from '@molecule/contract';
import { startPlatform, type TestPlatform } from '@molecule/testkit';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let test: TestPlatform;

beforeAll(async () => {
  test = await startPlatform();
});
afterAll(async () => {
  await test?.stop();
});

const failure = async (promise: Promise<unknown>): Promise<ApiError> => {
  try {
    await promise;
  } catch (error) {
    return error as ApiError;
  }
  throw new Error('the call was expected to fail');
};

async function createSeat(): Promise<{ id: string; token: string }> {
  const { id } = await test.admin.createWorkspace({ body: { name: `seat ${Math.random()}`, runtime: 'echo' } });
  const { token } = await test.db.tx((trx) => test.platform.auth.tokens.mint(trx, id));
  return { id, token };
}

const listGlobalNames = async () => (await test.admin.listGlobalSecrets()).map((row) => row.key);

describe('secrets', () => {
  it('are encrypted at rest with their version, and a plaintext row is upgraded when it is saved again', async () => {
    const { id, token } = await createSeat();
    await test.admin.saveSecret({ params: { id }, body: { key: 'API_KEY', value: 'sk-open-sesame' } });
    const stored = await test.db.kysely
      .selectFrom('workspace_secrets')
      .selectAll()
      .where('workspace_id', '=', id)
      .execute();
    expect(stored).toHaveLength(1);
    expect(stored[0]?.encryption_version).toBe(1);
    expect(Buffer.from(stored[0]?.encrypted_value ?? '').includes('sk-open-sesame')).toBe(false);

    await sql`insert into workspace_secrets (workspace_id, key, encrypted_value) values (${id}, 'OLD', 'plain')`.execute(
      test.db.kysely,
    );
    const own = createClient({ baseUrl: test.url, token });
    expect(await own.getSecretValues({ params: { id } })).toEqual({ API_KEY: 'sk-open-sesame', OLD: 'plain' });
    await test.admin.putSecret({ params: { id }, body: { key: 'OLD', value: 'plain' } });
    const again = await sql<{ encryption_version: number }>`
      select encryption_version from workspace_secrets where workspace_id = ${id} and key = 'OLD'
    `.execute(test.db.kysely);
    expect(again.rows[0]?.encryption_version).toBe(1);
  });

  it('lists names with their scope and never a value; a workspace key hides the global one', async () => {
    const { id, token } = await createSeat();
    await test.admin.saveGlobalSecret({ body: { key: 'SHARED', value: 'global-value' } });
    await test.admin.saveGlobalSecret({ body: { key: 'ONLY_GLOBAL', value: 'global-only' } });
    await test.admin.saveSecret({ params: { id }, body: { key: 'SHARED', value: 'own-value' } });
    const response = await test.client(token).raw('GET', `/workspaces/${id}/secrets`);
    const text = await response.text();
    expect(text).not.toContain('value-');
    expect(text).not.toContain('own-value');
    const rows = JSON.parse(text) as { key: string; scope: string; has_value: boolean }[];
    expect(rows.map(({ key, scope, has_value }) => [key, scope, has_value])).toEqual([
      ['ONLY_GLOBAL', 'global', true],
      ['SHARED', 'workspace', true],
    ]);
    const values = await test.client(token).raw('GET', `/workspaces/${id}/secrets/values`);
    expect(values.headers.get('cache-control')).toContain('no-store');
    expect(await values.json()).toEqual({ SHARED: 'own-value', ONLY_GLOBAL: 'global-only' });
    await test.admin.deleteSecret({ params: { id, key: 'SHARED' } });
    expect((await test.client(token).getSecretValues({ params: { id } })).SHARED).toBe('global-value');
    await test.admin.deleteGlobalSecret({ params: { key: 'SHARED' } });
    await test.admin.deleteGlobalSecret({ params: { key: 'ONLY_GLOBAL' } });
    expect((await failure(test.admin.deleteGlobalSecret({ params: { key: 'SHARED' } }))).status).toBe(404);
    expect((await failure(test.admin.deleteSecret({ params: { id, key: 'SHARED' } }))).status).toBe(404);
  });

  it('refuses keys that are no environment names, are too long, or belong to the platform, and values with NUL', async () => {
    const { id } = await createSeat();
    for (const key of [
      '1ABC',
      'A-B',
      '',
      'A'.repeat(129),
      'WORKSPACE_ID',
      'PATH',
      'HOME',
      'MOLECULE_X',
      'ADMIN_TOKEN',
    ]) {
      const error = await failure(test.admin.saveSecret({ params: { id }, body: { key, value: 'x' } }));
      expect([key, error.status]).toEqual([key, 400]);
    }
    expect((await failure(test.admin.saveGlobalSecret({ body: { key: 'NUL', value: 'a\0b' } }))).status).toBe(400);
    expect((await failure(test.admin.saveGlobalSecret({ body: { key: 'EMPTY', value: '' } }))).status).toBe(400);
    expect(await test.admin.listSecrets({ params: { id } })).toEqual([]);
    expect(await listGlobalNames()).toEqual([]);
  });

  it('10.28 a workspace token on /settings/secrets, workspace DELETE, budget PATCH → 401; an org token → 200', async () => {
    const { id, token } = await createSeat();
    const own = test.client(token);
    expect((await failure(own.listGlobalSecrets())).status).toBe(401);
    expect((await failure(own.saveGlobalSecret({ body: { key: 'A', value: 'b' } }))).status).toBe(401);
    expect((await failure(own.deleteGlobalSecret({ params: { key: 'A' } }))).status).toBe(401);
    expect((await failure(own.deleteWorkspace({ params: { id } }))).status).toBe(401);
    expect((await failure(own.patchBudget({ params: { id }, body: { budget_limit: 5 } }))).status).toBe(401);
    const org = test.client((await test.admin.createOrgToken({ body: {} })).auth_token);
    expect(await org.listGlobalSecrets()).toEqual([]);
    expect((await org.patchBudget({ params: { id }, body: { budget_limit: 5 } })).budget_limit).toBe(5);
    expect((await org.deleteWorkspace({ params: { id } })).status).toBe('removed');
  });

  it('10.79 values with an undecryptable secret → 500 with failed_keys only; an administrator → 401', async () => {
    const { id, token } = await createSeat();
    await test.admin.saveSecret({ params: { id }, body: { key: 'GOOD', value: 'readable-value' } });
    await test.admin.saveGlobalSecret({ body: { key: 'BROKEN', value: 'x' } });
    await sql`update global_secrets set encrypted_value = ${Buffer.from('nonsense that is long enough to hold a tag')} where key = 'BROKEN'`.execute(
      test.db.kysely,
    );
    await sql`insert into workspace_secrets (workspace_id, key, encrypted_value, encryption_version) values (${id}, 'FUTURE', 'x', 99)`.execute(
      test.db.kysely,
    );
    const error = await failure(test.client(token).getSecretValues({ params: { id } }));
    expect(error.status).toBe(500);
    expect(error.body).toEqual({
      error: 'stored secrets cannot be decrypted',
      code: 'secrets_unreadable',
      failed_keys: ['global:BROKEN', 'workspace:FUTURE'],
    });
    expect((await failure(test.admin.getSecretValues({ params: { id } }))).status).toBe(401);
    await test.admin.deleteGlobalSecret({ params: { key: 'BROKEN' } });
  });

  it('reads and clears the model through the workspace secret MODEL_PROVIDER', async () => {
    const { id } = await createSeat();
    expect(await test.admin.getModel({ params: { id } })).toEqual({
      model: 'anthropic:claude-opus-4-7',
      source: 'default',
    });
    expect(await test.admin.putModel({ params: { id }, body: { model: 'openai:gpt-5' } })).toEqual({
      status: 'saved',
      model: 'openai:gpt-5',
    });
    expect(await test.admin.getModel({ params: { id } })).toEqual({
      model: 'openai:gpt-5',
      source: 'workspace_secrets',
    });
    expect(await test.admin.putModel({ params: { id }, body: { model: '' } })).toEqual({ status: 'cleared' });
    expect((await test.admin.getModel({ params: { id } })).source).toBe('default');
  });
});
