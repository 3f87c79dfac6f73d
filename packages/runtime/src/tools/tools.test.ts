// The agent tools against a platform on a real socket, as an adapter calls them.

import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createManualTimers, type ManualTimers } from '../../test/manual-timers.ts';
import type { ScriptedPlatform } from '../../test/scripted-platform.ts';
import { createFolder, createTestLog, openPlatform, SELF } from '../../test/test-agent.ts';
import { createCredentials } from '../credentials.ts';
import type { DelegationRow } from '../link/delegation-rows.ts';
import { createPlatformClient } from '../link/platform-client.ts';
import { createSeenDelegations, type SeenDelegations } from '../link/seen-delegations.ts';
import { type AgentTools, createAgentTools } from './index.ts';

const PEER = '22222222-2222-4222-8222-222222222222';
const LEAD = '33333333-3333-4333-8333-333333333333';
const DELEGATE = `POST /workspaces/${SELF}/delegate`;
const LIST = `GET /workspaces/${SELF}/delegations`;

// biome-ignore lint/suspicious/noExplicitAny: a test reads of a result what it expects there
type Result = any;

interface Rig {
  platform: ScriptedPlatform;
  timers: ManualTimers;
  tools: AgentTools;
  seen: SeenDelegations;
  root: string;
  call(
    tool: string,
    input?: Record<string, unknown>,
    context?: { turnId?: string; signal?: AbortSignal },
  ): Promise<Result>;
}

async function createRig(): Promise<Rig> {
  const platform = await openPlatform();
  const timers = createManualTimers();
  const folder = createFolder();
  const root = join(folder, 'workspace');
  mkdirSync(root);
  const { log } = createTestLog();
  const client = createPlatformClient({
    platformUrl: platform.url,
    workspaceId: SELF,
    credentials: createCredentials(folder, {}, log),
    log,
  });
  onTestFinished(() => client.close());
  const seen = createSeenDelegations(folder, log);
  const tools = createAgentTools({
    client,
    environment: {
      workspaceRoot: root,
      delegation: { retryAttempts: null, retryDelaySeconds: null, timeoutSeconds: null },
    },
    config: { delegation: { retryAttempts: 3, retryDelaySeconds: 5, timeoutSeconds: 300 } },
    seen,
    timers,
    log,
    delegationOf: (turnId) => (turnId === 'delegated-turn' ? 'd-parent' : null),
  });
  platform.on(`GET /registry/${SELF}/peers`, () => ({
    body: [
      { id: LEAD, name: 'Grace', role: 'Leads.', status: 'online', parent_id: null, agent_card: null },
      {
        id: PEER,
        name: 'Linus',
        role: 'Builds.',
        status: 'degraded',
        parent_id: SELF,
        agent_card: { skills: [{ id: 's1', name: 'C' }] },
      },
      { id: 'sibling', name: 'Alan', role: null, status: 'online', parent_id: LEAD, agent_card: {} },
    ],
  }));
  platform.on(`GET /workspaces/${SELF}`, () => ({
    body: { id: SELF, name: 'Ada', role: 'Sums.', tier: 2, parent_id: LEAD, status: 'online', delivery_mode: 'push' },
  }));
  return {
    platform,
    timers,
    tools,
    seen,
    root,
    async call(name, input = {}, { turnId = 'turn-1', signal = new AbortController().signal } = {}) {
      const tool = tools.specs.find((spec) => spec.name === name);
      if (!tool) throw new Error(`no tool ${name}`);
      return await tool.run(input, { turnId, contextId: 'c1', signal });
    },
  };
}

/** Accepts delegations and lists them as the test says; turns the clock for whoever waits. */
function scriptDelegations(rig: Rig) {
  const rows: DelegationRow[] = [];
  let count = 0;
  const ids = new Map<string, string>();
  rig.platform.on(DELEGATE, ({ body }) => {
    const known = ids.get(body.idempotency_key);
    if (known) return { status: 200, body: { delegation_id: known, status: 'dispatched', idempotent_hit: true } };
    count += 1;
    ids.set(body.idempotency_key, `d${count}`);
    return { status: 202, body: { delegation_id: `d${count}`, status: 'delegated', target_id: body.target_id } };
  });
  rig.platform.on(LIST, () => ({ body: rows.toReversed() }));
  return {
    ids,
    rows,
    end: (id: string, extra: Partial<DelegationRow> = {}) =>
      rows.push({
        delegation_id: id,
        method: 'delegate_result',
        source_id: SELF,
        target_id: PEER,
        status: 'completed',
        response_preview: `answer to ${id}`,
        created_at: new Date().toISOString(),
        ...extra,
      }),
  };
}

describe('orientation', () => {
  it('list_peers tells relation, state and skills; get_workspace_info who one is', async () => {
    const rig = await createRig();
    expect(await rig.call('list_peers')).toEqual([
      { id: LEAD, name: 'Grace', role: 'Leads.', status: 'online', relation: 'parent', skills: [] },
      { id: PEER, name: 'Linus', role: 'Builds.', status: 'degraded', relation: 'child', skills: ['C'] },
      { id: 'sibling', name: 'Alan', role: null, status: 'online', relation: 'sibling', skills: [] },
    ]);
    expect(await rig.call('get_workspace_info')).toEqual({
      id: SELF,
      name: 'Ada',
      role: 'Sums.',
      tier: 2,
      parent: LEAD,
      status: 'online',
      delivery_mode: 'push',
    });
  });

  it('reads a refusal to the model instead of throwing', async () => {
    const rig = await createRig();
    rig.platform.on(`GET /registry/${SELF}/peers`, () => ({ status: 403, body: { error: 'not yours' } }));
    expect(await rig.call('list_peers')).toEqual({ ok: false, error: 'not yours' });
    await rig.platform.stop();
    expect(await rig.call('get_workspace_info')).toEqual({ ok: false, error: 'the platform could not be reached' });
  });
});

describe('delegate_task', () => {
  it('waits for the answer and leaves nothing for a wake-up', async () => {
    const rig = await createRig();
    const script = scriptDelegations(rig);
    const answer = rig.call('delegate_task', { workspace_id: PEER, task: 'Build it.' });
    const [call] = await rig.platform.waitFor(DELEGATE);
    expect(call?.body).toMatchObject({
      target_id: PEER,
      task: 'Build it.',
      idempotency_key: expect.stringMatching(/^[0-9a-f]{32}$/),
    });
    expect(call?.headers['x-workspace-id']).toBe(SELF);
    await rig.timers.ring(0, 60_000);
    await rig.platform.waitFor(LIST);
    expect(rig.tools.isAwaited('d1')).toBe(true);
    script.end('d1');
    await rig.timers.ring(0, 60_000);
    expect(await answer).toEqual({ ok: true, delegation_id: 'd1', status: 'completed', text: 'answer to d1' });
    expect(rig.tools.isAwaited('d1')).toBe(false);
    expect(rig.seen.has('d1')).toBe(true);
  });

  it('reads a reply longer than the list shows from the activity log', async () => {
    const rig = await createRig();
    const script = scriptDelegations(rig);
    const text = 'long '.repeat(200);
    rig.platform.on(`GET /workspaces/${SELF}/activity`, () => ({
      body: [{ method: 'delegate_result', response_body: { delegation_id: 'd1', text } }],
    }));
    script.end('d1', { response_preview: text.slice(0, 300) });
    const answer = rig.call('delegate_task', { workspace_id: 'Linus', task: 'Build it.' });
    await rig.timers.ring(0, 60_000);
    expect((await answer).text).toBe(text);
  });

  it('finds one that has left the list of the newest', async () => {
    const rig = await createRig();
    scriptDelegations(rig);
    rig.platform.on(`GET /workspaces/${SELF}/activity`, () => ({
      body: [
        { method: 'delegate_result', status: 'completed', response_body: { delegation_id: 'd1', text: 'found' } },
        { method: 'delegate', status: 'completed', response_body: null },
      ],
    }));
    const answer = rig.call('delegate_task', { workspace_id: PEER, task: 'Build it.' });
    await rig.timers.ring(0, 60_000);
    expect(await answer).toMatchObject({ ok: true, status: 'completed', text: 'found' });
  });

  it('says who failed and what to do about it', async () => {
    const rig = await createRig();
    scriptDelegations(rig).end('d1', { status: 'failed', error: 'no heartbeat', response_preview: '' });
    const answer = rig.call('delegate_task', { workspace_id: 'linus', task: 'Build it.' });
    await rig.timers.ring(0, 60_000);
    expect(await answer).toMatchObject({ ok: false, status: 'failed', peer: 'linus', error: 'no heartbeat' });
    expect((await answer).hint).toContain('Try another peer');
    expect(await rig.call('delegate_task', { workspace_id: 'nobody', task: 'x' })).toMatchObject({
      ok: false,
      status: 'failed',
      error: expect.stringContaining('no single peer is called "nobody"'),
    });
    expect(await rig.call('delegate_task', { workspace_id: PEER })).toMatchObject({ ok: false });
  });

  it('waits no longer than it was told to', async () => {
    const rig = await createRig();
    scriptDelegations(rig);
    const answer = rig.call('delegate_task', { workspace_id: PEER, task: 'Build it slowly.', timeout_s: 600 });
    await rig.timers.idle(600_000);
    rig.timers.advance(600_000);
    expect(await answer).toMatchObject({ ok: true, delegation_id: 'd1', status: 'running', text: '' });
    // Left for the wake-up.
    expect(rig.tools.isAwaited('d1')).toBe(false);
    expect(rig.seen.has('d1')).toBe(false);
  });

  it('sends again while the platform has no room, as the same delegation', async () => {
    const rig = await createRig();
    const script = scriptDelegations(rig);
    let refusals = 2;
    const keys: string[] = [];
    rig.platform.on(DELEGATE, ({ body }) => {
      keys.push(body.idempotency_key);
      if (refusals-- > 0) return { status: 503, body: { error: 'not stored' }, headers: { 'retry-after': '5' } };
      script.end('d1');
      return { status: 202, body: { delegation_id: 'd1', status: 'delegated' } };
    });
    const answer = rig.call('delegate_task', { workspace_id: PEER, task: 'Build it.' });
    expect(await rig.timers.ring(0, 60_000)).toBe(5_000);
    expect(await rig.timers.ring(0, 60_000)).toBe(10_000);
    await rig.timers.ring(0, 60_000);
    expect((await answer).status).toBe('completed');
    expect(new Set(keys).size).toBe(1);
    expect(keys).toHaveLength(3);
  });

  it('stops waiting when its turn is canceled', async () => {
    const rig = await createRig();
    scriptDelegations(rig);
    const cancel = new AbortController();
    const answer = rig.call('delegate_task', { workspace_id: PEER, task: 'Build it.' }, { signal: cancel.signal });
    await rig.timers.idle(300_000);
    cancel.abort(new Error('canceled'));
    await expect(answer).rejects.toThrow('canceled');
    expect(rig.tools.isAwaited('d1')).toBe(false);
    expect(rig.seen.has('d1')).toBe(false);
  });
});

describe('chains of delegations', () => {
  it('names the delegation its turn works on, or says that there is none', async () => {
    const rig = await createRig();
    scriptDelegations(rig);
    const task = { workspace_id: PEER, task: 'Build it.' };
    await rig.call('delegate_task_async', task, { turnId: 'delegated-turn' });
    await rig.call('delegate_task_async', task, { turnId: 'turn-1' });
    expect(rig.platform.callsTo(DELEGATE).map(({ body }) => body.parent_delegation_id)).toEqual(['d-parent', null]);
  });

  it.each([
    ['delegation_cycle', 'Do not delegate back'],
    ['delegation_too_deep', 'Do it yourself'],
    ['delegation_ping_pong', 'finish with what you have'],
    ['access_denied', 'Try another peer'],
  ])('reads a %s to the model with what to do about it', async (code, hint) => {
    const rig = await createRig();
    rig.platform.on(DELEGATE, () => ({ status: 409, body: { error: 'no: Ada → Linus → Ada', code } }));
    const answer = await rig.call('delegate_task', { workspace_id: PEER, task: 'Build it.' });
    expect(answer).toMatchObject({ ok: false, status: 'failed', peer: PEER, error: 'no: Ada → Linus → Ada' });
    expect(answer.hint).toContain(hint);
    expect(rig.platform.callsTo(DELEGATE)).toHaveLength(1);
  });
});

describe('delegate_task_async', () => {
  it('R41 repeated in one turn it is one delegation, in the next turn two', async () => {
    const rig = await createRig();
    const script = scriptDelegations(rig);
    const task = { workspace_id: PEER, task: 'Build it.' };
    const first = await rig.call('delegate_task_async', task, { turnId: 'turn-1' });
    const repeated = await rig.call('delegate_task_async', task, { turnId: 'turn-1' });
    expect(first).toEqual({ ok: true, delegation_id: 'd1', status: 'delegated' });
    expect(repeated).toEqual(first);
    expect(script.ids.size).toBe(1);
    const later = await rig.call('delegate_task_async', task, { turnId: 'turn-2' });
    expect(later.delegation_id).toBe('d2');
    expect(script.ids.size).toBe(2);
  });

  it('check_task_status: queued means wait; after the drain it has the text', async () => {
    const rig = await createRig();
    const script = scriptDelegations(rig);
    script.end('d1', { method: 'delegate', status: 'queued', response_preview: '' });
    expect(await rig.call('check_task_status', { task_id: 'd1' })).toMatchObject({
      ok: true,
      task_id: 'd1',
      status: 'queued',
      hint: 'Wait; never send the task again.',
    });
    script.end('d1');
    const [one, all, unknown] = [
      await rig.call('check_task_status', { task_id: 'd1' }),
      await rig.call('check_task_status'),
      await rig.call('check_task_status', { task_id: 'd9' }),
    ];
    expect(one).toMatchObject({ ok: true, status: 'completed', text: 'answer to d1' });
    expect(all.tasks).toHaveLength(1);
    expect(unknown).toMatchObject({ ok: false });
  });
});

describe('send_message_to_user', () => {
  const NOTIFY = `POST /workspaces/${SELF}/notify`;

  it('R38 one missing path and nothing is sent; a zip is application/zip; only texts are paths', async () => {
    const rig = await createRig();
    writeFileSync(join(rig.root, 'report.zip'), 'PK');
    const missing = await rig.call('send_message_to_user', {
      message: 'here',
      attachments: ['/workspace/report.zip', '/workspace/no-such.txt'],
    });
    expect(missing).toMatchObject({ ok: false, hint: 'Nothing was sent.' });
    expect(rig.platform.callsTo(NOTIFY)).toEqual([]);

    const sent = await rig.call('send_message_to_user', {
      message: 'here',
      attachments: [1, {}, '/workspace/report.zip'],
    });
    expect(sent).toEqual({ ok: true, status: 'sent', attachments: 1 });
    const [call] = rig.platform.callsTo(NOTIFY);
    expect(call?.body).toEqual({
      message: 'here',
      attachments: [
        { uri: 'workspace:/workspace/report.zip', name: 'report.zip', mimeType: 'application/zip', size: 2 },
      ],
    });
  });

  it('copies a file from elsewhere to where the platform may read it', async () => {
    const rig = await createRig();
    const outside = createFolder();
    writeFileSync(join(outside, 'my notes.txt'), 'hello');
    symlinkSync(join(outside, 'my notes.txt'), join(rig.root, 'link.txt'));
    const paths = [join(outside, 'my notes.txt'), '/workspace/link.txt'];
    expect(await rig.call('send_message_to_user', { message: 'here', attachments: paths })).toMatchObject({ ok: true });
    const { attachments } = rig.platform.callsTo(NOTIFY)[0]?.body ?? {};
    const stored = readdirSync(join(rig.root, '.molecule/chat-uploads'));
    expect(stored).toHaveLength(2);
    for (const attachment of attachments) {
      expect(attachment.uri).toMatch(/^workspace:\/workspace\/\.molecule\/chat-uploads\/[0-9a-f]{32}-my_notes\.txt$/);
      expect(readFileSync(join(rig.root, attachment.uri.slice('workspace:/workspace'.length)), 'utf8')).toBe('hello');
    }
  });

  it('tells when the platform refuses', async () => {
    const rig = await createRig();
    rig.platform.on(NOTIFY, () => ({ status: 404, body: { error: 'gone' } }));
    expect(await rig.call('send_message_to_user', { message: 'hi' })).toEqual({
      ok: false,
      error: 'gone',
      hint: 'Nothing was sent.',
    });
    expect(await rig.call('send_message_to_user', { message: ' ' })).toMatchObject({ ok: false });
  });
});
