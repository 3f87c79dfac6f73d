// Without a backend: everything says so, nothing pretends to start (chapter 10 §7.2).

import type { EventFrame } from '@molecule/contract';
import { failureOf, startPlatform, type TestPlatform } from '@molecule/testkit';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { NO_BACKEND_MESSAGE } from './dispatcher.ts';

let test: TestPlatform;
const frames: EventFrame[] = [];
const logged: string[] = [];

beforeAll(async () => {
  test = await startPlatform({ onLog: (line) => logged.push(String(line.msg)) });
  test.platform.events.subscribe((frame) => frames.push(frame));
});
afterAll(async () => {
  await test?.stop();
});

describe('no backend', () => {
  it('10.57 create → failed with text and event, what was configured is there; restart 503; stop is a no-op', async () => {
    const { id } = await test.admin.createWorkspace({
      body: {
        name: 'Seat',
        role: 'Clerk',
        runtime: 'echo',
        tier: 2,
        model: 'openai:gpt-5',
        secrets: { A_KEY: 'value' },
      },
    });
    await vi.waitFor(
      () =>
        expect(frames.filter(({ event }) => event === 'WORKSPACE_PROVISION_FAILED')).toMatchObject([
          { workspace_id: id, payload: { error: NO_BACKEND_MESSAGE } },
        ]),
      15_000,
    );
    expect(NO_BACKEND_MESSAGE).toContain('MOLECULE_PROVISIONER=process');
    const [row] = await test.admin.listWorkspaces();
    expect(row).toMatchObject({
      id,
      status: 'failed',
      last_sample_error: NO_BACKEND_MESSAGE,
      name: 'Seat',
      role: 'Clerk',
      runtime: 'echo',
      tier: 2,
    });
    expect((await test.admin.getConfig({ params: { id } })).data).toEqual({
      name: 'Seat',
      runtime: 'echo',
      tier: 2,
      template: null,
    });
    expect((await test.admin.getModel({ params: { id } })).model).toBe('openai:gpt-5');
    expect((await test.admin.listSecrets({ params: { id } })).map(({ key }) => key)).toEqual([
      'A_KEY',
      'MODEL_PROVIDER',
    ]);
    const error = await failureOf(test.admin.restartWorkspace({ params: { id } }));
    expect([error.status, error.code]).toEqual([503, 'no_backend']);
    expect(await test.admin.deleteWorkspace({ params: { id } })).toEqual({ status: 'removed', cascade_deleted: 0 });
  });

  it('a saved secret neither starts nor fails a seat that somebody runs by hand', async () => {
    const { id } = await test.admin.createWorkspace({ body: { name: 'By hand', runtime: 'echo' } });
    await vi.waitFor(async () => expect((await test.admin.listWorkspaces())[0]?.status).toBe('failed'), 15_000);
    const token = (await test.admin.createToken({ params: { id } })).auth_token;
    await test.client(token).register({ body: { id, agent_card: { name: 'mine' }, delivery_mode: 'poll' } });
    await test.admin.saveSecret({ params: { id }, body: { key: 'LATER', value: 'value' } });
    await vi.waitFor(
      () => expect(logged).toContain(`evt: restart.pre_stop ${JSON.stringify({ workspace_id: id, backend: 'none' })}`),
      15_000,
    );
    expect((await test.admin.listWorkspaces())[0]).toMatchObject({ id, status: 'online' });
  });
});
