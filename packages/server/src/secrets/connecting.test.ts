// Connecting a model: what a team runs on with and without a key, and who is restarted when one is saved.

import { type StartOptions, startPlatform, type TestPlatform } from '@molecule/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { type ProcessSeats, startProcessSeats } from '../../test/process-seats.ts';

let seats: ProcessSeats | null = null;
afterEach(async () => {
  await seats?.stop();
  seats = null;
});

async function start(options: StartOptions = {}): Promise<ProcessSeats> {
  seats = await startProcessSeats(options);
  return seats;
}

/** The runtime a team of `runtime: default` gets, and that a workspace made by hand gets the same. */
async function readChoice(test: TestPlatform): Promise<string | undefined> {
  const template = { name: 'Team', defaults: { runtime: 'default' }, workspaces: [{ name: crypto.randomUUID() }] };
  const { workspaces } = await test.admin.importOrg({ body: { template } });
  const byHand = await test.admin.createWorkspace({ body: { name: 'By hand', runtime: 'default' } });
  const rows = await test.admin.listWorkspaces();
  const [imported, created] = [workspaces[0]?.id, byHand.id].map((id) => rows.find((row) => row.id === id)?.runtime);
  expect(created).toBe(imported);
  return imported;
}

const keysShown = async (test: TestPlatform) => (await test.admin.platformInfo()).model_keys;

describe('the runtime a team leaves to the platform', () => {
  it('without a key it is scripted; with one saved, of any provider the runtime knows, it is the model runtime', async () => {
    const test = await startPlatform();
    try {
      expect(await readChoice(test)).toBe('echo');
      await test.admin.saveGlobalSecret({ body: { key: 'GITHUB_API_KEY', value: 'no model' } });
      expect(await readChoice(test)).toBe('echo');
      expect(await keysShown(test)).toEqual([]);
      for (const key of ['OPENAI_API_KEY', 'OPENAI_BASE_URL', 'OLLAMA_BASE_URL', 'ANTHROPIC_API_KEY']) {
        await test.admin.saveGlobalSecret({ body: { key, value: 'value' } });
        expect([key, await readChoice(test)]).toEqual([key, 'ai-sdk']);
        expect(await keysShown(test)).toEqual([key]);
        await test.admin.deleteGlobalSecret({ params: { key } });
      }
      expect(await readChoice(test)).toBe('echo');
    } finally {
      await test.stop();
    }
  });

  it('the same with one in the platform’s own environment', async () => {
    const test = await startPlatform({ env: { OLLAMA_BASE_URL: 'http://127.0.0.1:11434' } });
    try {
      expect(await readChoice(test)).toBe('ai-sdk');
      expect(await keysShown(test)).toEqual(['OLLAMA_BASE_URL']);
    } finally {
      await test.stop();
    }
  });
});

describe('a key that is saved later', () => {
  it('changes no seat’s runtime by itself; switched, the team runs on it and keeps its history', async () => {
    const { admin, create, until, say, environment, untilStarts } = await start();
    const id = await create();
    await until(id, 'online');
    await say(id, 'before the key');
    await admin.saveGlobalSecret({ body: { key: 'OPENAI_API_KEY', value: 'sk-later' } });
    await untilStarts(id, 2);
    expect((await until(id, 'online')).runtime).toBe('echo');

    await admin.patchWorkspace({ params: { id }, body: { runtime: 'ai-sdk' } });
    await admin.restartWorkspace({ params: { id } });
    await untilStarts(id, 3);
    expect((await until(id, 'online')).runtime).toBe('ai-sdk');
    // No model is named: the runtime takes one of the provider it has a key for.
    expect(environment(id).OPENAI_API_KEY).toBe('sk-later');
    expect(environment(id)).not.toHaveProperty('MODEL_PROVIDER');
    expect(JSON.stringify(await admin.listActivity({ params: { id } }))).toContain('before the key');

    // The organisation's own word, and above it the seat's.
    await admin.saveGlobalSecret({ body: { key: 'MODEL_PROVIDER', value: 'anthropic:claude-haiku-4-5' } });
    await untilStarts(id, 4);
    expect(environment(id).MODEL_PROVIDER).toBe('anthropic:claude-haiku-4-5');
    expect(await admin.getModel({ params: { id } })).toEqual({
      model: 'anthropic:claude-haiku-4-5',
      source: 'default',
    });
    await admin.putModel({ params: { id }, body: { model: 'openai:gpt-5-mini' } });
    await untilStarts(id, 5);
    expect(environment(id).MODEL_PROVIDER).toBe('openai:gpt-5-mini');
  });

  it('10.80 a global change restarts only eligible seats; the default model is sonnet for claude-code, universal else, never empty', async () => {
    const { admin, platform, create, until, starts, untilStarts, environment, row } = await start();
    const plain = await create();
    const overriding = await create('', { secrets: { SHARED: 'own' } });
    const paused = await create();
    const hibernated = await create();
    const failed = await create('refuse');
    const removed = await create();
    const external = await admin.createWorkspace({ body: { name: 'Laptop', external: true } });
    for (const id of [plain, overriding, paused, hibernated, removed]) await until(id, 'online');
    await until(failed, 'failed');
    await platform.workspaces.transition('pause', paused);
    await platform.workspaces.transition('hibernate', hibernated);
    await platform.workspaces.transition('hibernated', hibernated);
    const removedStarts = starts(removed).length;
    await admin.deleteWorkspace({ params: { id: removed } });

    await admin.saveGlobalSecret({ body: { key: 'SHARED', value: 'global' } });
    await Promise.all([untilStarts(plain, 2), untilStarts(failed, 2)]);
    await until(plain, 'online');
    expect(environment(plain).SHARED).toBe('global');
    await admin.saveSecret({ params: { id: hibernated }, body: { key: 'OWN', value: 'for later' } });
    await admin.deleteGlobalSecret({ params: { key: 'SHARED' } });
    await Promise.all([untilStarts(plain, 3), untilStarts(failed, 3)]);
    await until(plain, 'online');
    expect(environment(plain)).not.toHaveProperty('SHARED');
    expect([overriding, paused, hibernated].map((id) => starts(id).length)).toEqual([1, 1, 1]);
    expect([starts(removed).length, removedStarts]).toEqual([0, 1]);
    expect((await row(external.id)).status).toBe('awaiting_agent');
    expect((await row(hibernated)).status).toBe('hibernated');

    const modelOf = async (runtime: string) => {
      const { id } = await admin.createWorkspace({ body: { name: `model ${runtime}`, runtime } });
      return (await admin.getModel({ params: { id } })).model;
    };
    expect(await modelOf('claude-code')).toBe('sonnet');
    for (const runtime of ['ai-sdk', 'langgraph', 'hermes', 'echo'])
      expect(await modelOf(runtime)).toBe('anthropic:claude-opus-4-7');
  });
});
