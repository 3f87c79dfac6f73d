// The inbox of a whole agent in poll mode, against a scripted platform and a clock the test turns.

import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { createManualTimers, type ManualTimers } from '../../test/manual-timers.ts';
import { createScriptedAdapter, type RunTurn } from '../../test/scripted-adapter.ts';
import { type ScriptedInbox, startScriptedInbox } from '../../test/scripted-inbox.ts';
import { createFolder, messageOf, SELF, startTestAgent, type TestAgent } from '../../test/test-agent.ts';
import type { Turn } from '../adapters/adapter.ts';

const PEER = '22222222-2222-4222-8222-222222222222';
const POLL_MS = 5_000;

interface Rig {
  inbox: ScriptedInbox;
  test: TestAgent;
  timers: ManualTimers;
  turns: Turn[];
  /** Turns the clock to the next poll and waits until it is over. */
  poll(): Promise<void>;
  stop(): Promise<void>;
}

async function openInbox(): Promise<ScriptedInbox> {
  const inbox = await startScriptedInbox(SELF);
  onTestFinished(() => inbox.platform.stop());
  return inbox;
}

async function startRig(
  inbox: ScriptedInbox,
  options: { configDir?: string; run?: RunTurn; config?: Record<string, unknown> } = {},
): Promise<Rig> {
  const timers = createManualTimers();
  const turns: Turn[] = [];
  const run: RunTurn = options.run ?? ((turn) => ({ text: `heard ${turn.text}` }));
  const before = inbox.polls().length;
  const test = await startTestAgent({
    platform: inbox.platform,
    timers,
    config: options.config ?? {},
    ...(options.configDir ? { configDir: options.configDir } : {}),
    adapter: createScriptedAdapter((turn, emit, signal, context) => {
      turns.push(turn);
      return run(turn, emit, signal, context);
    }),
  });
  await expect.poll(() => inbox.polls().length, { interval: 1 }).toBeGreaterThan(before);
  await timers.idle(POLL_MS);
  return {
    inbox,
    test,
    timers,
    turns,
    async poll() {
      const known = inbox.polls().length;
      await timers.ring(POLL_MS, POLL_MS);
      await expect.poll(() => inbox.polls().length, { interval: 1 }).toBeGreaterThan(known);
      await timers.idle(POLL_MS);
    },
    stop: () => test.agent.stop(),
  };
}

const texts = (turns: readonly Turn[]) => turns.map(({ text }) => text);
const cursorOf = (folder: string) => readFileSync(join(folder, '.inbox_cursor'), 'utf8');
const untilNotices = (inbox: ScriptedInbox, count: number) =>
  expect.poll(() => inbox.notices().length, { interval: 1 }).toBe(count);

it('R34 the first poll asks for ten minutes, later ones for what follows the cursor; a restart begins no turn again', async () => {
  const inbox = await openInbox();
  const configDir = createFolder();
  const old = { created_at: '2025-12-01T00:00:00.000Z' };
  inbox.addMessage('long read', { row: { ...old, injected_at: old.created_at } });
  inbox.addMessage('nobody was there', { row: old });
  inbox.addMessage('one');
  const first = await startRig(inbox, { configDir });
  await untilNotices(inbox, 2);
  expect(inbox.polls()[0]).toMatchObject({ type: 'a2a_receive', limit: '100', since_secs: '600' });
  // Accepted is not lost, however long ago it was.
  expect(texts(first.turns)).toEqual(['nobody was there', 'one']);
  expect(inbox.notices()[1]).toEqual({ message: 'heard one', in_reply_to: inbox.rows[2]?.id });
  const two = inbox.addMessage('two');
  await first.poll();
  expect(inbox.polls().at(-1)).toEqual({ type: 'a2a_receive', limit: '100', since_id: inbox.rows[2]?.id });
  await untilNotices(inbox, 3);
  await expect.poll(() => cursorOf(configDir)).toBe(two);
  expect((statSync(join(configDir, '.inbox_cursor')).mode & 0o777).toString(8)).toBe('600');
  await first.stop();

  const second = await startRig(inbox, { configDir });
  inbox.addMessage('three');
  await second.poll();
  await untilNotices(inbox, 4);
  expect(texts(second.turns)).toEqual(['three']);
});

it('R34 a message handled beyond the cursor is not begun again after a restart', async () => {
  const inbox = await openInbox();
  const configDir = createFolder();
  const run: RunTurn = async (turn, _emit, signal) => {
    if (turn.text === 'long')
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    return { text: turn.text };
  };
  inbox.addMessage('long', { message: { contextId: 'a' } });
  inbox.addMessage('waits', { message: { contextId: 'a' } });
  inbox.addMessage('quick', { message: { contextId: 'b' } });
  const first = await startRig(inbox, { configDir, run, config: { max_concurrent_tasks: 2 } });
  await untilNotices(inbox, 1);
  expect(texts(first.turns)).toEqual(['long', 'quick']);
  expect(cursorOf(configDir)).toBe(inbox.rows[0]?.id);
  await first.stop();
  const second = await startRig(inbox, { configDir, config: { max_concurrent_tasks: 2 } });
  await untilNotices(inbox, 3);
  expect(texts(second.turns)).toEqual(['waits']);
  expect(
    inbox
      .notices()
      .map(({ message }) => message)
      .sort(),
  ).toEqual(['The agent was stopped before it had finished.', 'heard waits', 'quick']);
});

it('R35 410: the cursor goes, the backlog is read, and what was handled is not played again', async () => {
  const inbox = await openInbox();
  inbox.addMessage('one');
  const rig = await startRig(inbox);
  await untilNotices(inbox, 1);
  const two = inbox.addMessage('two');
  await rig.poll();
  await untilNotices(inbox, 2);
  expect(cursorOf(rig.test.configDir)).toBe(two);
  inbox.rows.splice(1, 1);
  inbox.addMessage('three');
  await rig.poll();
  await untilNotices(inbox, 3);
  expect(texts(rig.turns)).toEqual(['one', 'two', 'three']);
  expect(inbox.polls().slice(-3)).toEqual([
    expect.objectContaining({ since_id: two }),
    expect.objectContaining({ since_secs: '600' }),
    expect.objectContaining({ limit: '500' }),
  ]);
  expect(cursorOf(rig.test.configDir)).toBe(inbox.rows.at(-1)?.id);
});

const FILE_ID = '33333333-3333-4333-8333-333333333333';
const CONTENT = `GET /workspaces/${SELF}/pending-uploads/${FILE_ID}/content`;
const ACK = `POST /workspaces/${SELF}/pending-uploads/${FILE_ID}/ack`;
const pending = `platform-pending:${SELF}/${FILE_ID}`;

function attachFile(inbox: ScriptedInbox, bytes: string): void {
  const request_body = {
    file_id: FILE_ID,
    name: 'a plan.txt',
    mimeType: 'text/plain',
    size: bytes.length,
    uri: pending,
  };
  inbox.add({ method: 'chat_upload_receive', request_body });
  inbox.addMessage('', {
    message: {
      parts: [
        { kind: 'text', text: 'read it' },
        { kind: 'file', file: { uri: pending, name: 'a plan.txt', mimeType: 'text/plain' } },
        { kind: 'file', file: { uri: 'platform-pending:x/44444444-4444-4444-8444-444444444444', name: 'other' } },
      ],
    },
  });
}

it('R36 an upload and the message that names it in one batch: on disk, acknowledged, and its address is local', async () => {
  const inbox = await openInbox();
  inbox.platform.on(CONTENT, () => ({ raw: 'the plan', headers: { 'content-type': 'text/plain' } }));
  inbox.platform.on(ACK, () => ({ body: { status: 'acked' } }));
  attachFile(inbox, 'the plan');
  const rig = await startRig(inbox);
  await untilNotices(inbox, 1);
  const [file, other] = rig.turns[0]?.files ?? [];
  expect(file?.uri).toBe(`workspace:/workspace/.molecule/chat-uploads/${FILE_ID.replaceAll('-', '')}-a_plan.txt`);
  const path = join(rig.test.workspaceRoot, file?.uri.slice('workspace:/workspace/'.length) ?? '');
  expect([readFileSync(path, 'utf8'), (statSync(path).mode & 0o777).toString(8)]).toEqual(['the plan', '600']);
  expect(other?.uri).toBe('platform-pending:x/44444444-4444-4444-8444-444444444444');
  expect(inbox.platform.callsTo(ACK)).toHaveLength(1);
});

it('R37 the content cannot be had: not acknowledged, the message comes with its own address, and a later try fetches it', async () => {
  const inbox = await openInbox();
  inbox.platform.on(CONTENT, () => ({ status: 500 }));
  inbox.platform.on(ACK, () => ({ body: { status: 'acked' } }));
  attachFile(inbox, 'the plan');
  const configDir = createFolder();
  const first = await startRig(inbox, { configDir });
  await untilNotices(inbox, 1);
  expect(first.turns[0]?.files[0]?.uri).toBe(pending);
  expect(inbox.platform.callsTo(ACK)).toHaveLength(0);
  await first.stop();
  // Too few bytes are as good as none.
  inbox.platform.on(CONTENT, () => ({ raw: 'the' }));
  const second = await startRig(inbox, { configDir });
  for (let polls = 0; polls < 13; polls += 1) await second.poll();
  expect(inbox.platform.callsTo(ACK)).toHaveLength(0);
  inbox.platform.on(CONTENT, () => ({ raw: 'the plan' }));
  for (let polls = 0; polls < 13; polls += 1) await second.poll();
  await inbox.platform.waitFor(ACK);
  const folder = join(second.test.workspaceRoot, '.molecule/chat-uploads');
  expect(readdirSync(folder)).toEqual([`${FILE_ID.replaceAll('-', '')}-a_plan.txt`]);
});

it('R60 150 rows wait: each has its turn, in order, and none is lost', async () => {
  const inbox = await openInbox();
  const words = Array.from({ length: 150 }, (_, index) => `number ${index}`);
  const rig = await startRig(inbox);
  inbox.addMessage('first');
  await rig.poll();
  await untilNotices(inbox, 1);
  for (const word of words) inbox.addMessage(word);
  await rig.poll();
  await untilNotices(inbox, 151);
  expect(texts(rig.turns)).toEqual(['first', ...words]);
});

it('R60 150 rows wait for one that was never here: none is lost without a cursor', async () => {
  const inbox = await openInbox();
  const words = Array.from({ length: 150 }, (_, index) => `number ${index}`);
  for (const word of words) inbox.addMessage(word);
  const rig = await startRig(inbox);
  await untilNotices(inbox, 150);
  expect(texts(rig.turns)).toEqual(words);
});

const DELEGATION = 'd0000000-0000-4000-8000-000000000001';
const resultRow = {
  source_id: PEER,
  method: 'delegate_result',
  summary: 'Delegation completed: forty-two',
  response_body: { text: 'forty-two', delegation_id: DELEGATION },
};
const listed = {
  delegation_id: DELEGATION,
  method: 'delegate_result',
  source_id: SELF,
  target_id: PEER,
  status: 'completed',
  summary: 'Delegation completed: forty-two',
  response_preview: 'forty-two',
  created_at: new Date(1_800_000_001_000).toISOString(),
};
const WAKE = `POST /workspaces/${SELF}/a2a`;

it.each(['inbox', 'collector'])(
  'R61 the same result by both ways, first by the %s: one wake-up, one notice',
  async (first) => {
    const inbox = await openInbox();
    const rig = await startRig(inbox);
    const answer = { messageId: 'reply-1', metadata: { delegation_id: DELEGATION, in_reply_to: DELEGATION } };
    const ways = {
      // The peer's own message, which ended the delegation, and the platform's row.
      inbox: async () => {
        inbox.addMessage('forty-two', { row: { source_id: PEER }, message: answer });
        inbox.add(resultRow);
        await rig.poll();
      },
      collector: async () => {
        inbox.platform.on(`GET /workspaces/${SELF}/delegations`, () => ({ body: [listed] }));
        const looks = () => rig.test.log.filter(({ msg }) => msg === 'delegations were looked at').length;
        const before = looks();
        await rig.timers.ring(20_000);
        await expect.poll(looks, { interval: 1 }).toBeGreaterThan(before);
      },
    };
    const order = first === 'inbox' ? (['inbox', 'collector'] as const) : (['collector', 'inbox'] as const);
    for (const way of order) await ways[way]();
    await rig.poll();
    await inbox.platform.waitFor(WAKE);
    expect(inbox.platform.callsTo(WAKE)).toHaveLength(1);
    await untilNotices(inbox, 1);
    expect(inbox.notices()[0]?.message).toContain('forty-two');
    expect(rig.turns).toEqual([]);
    const lines = readFileSync(join(rig.test.configDir, 'delegation_results.jsonl'), 'utf8').trim().split('\n');
    expect(lines.map((line) => JSON.parse(line).delegation_id)).toEqual([DELEGATION]);
    const cursor = cursorOf(rig.test.configDir);
    expect(cursor).toBe(inbox.rows.at(-1)?.id);
  },
);

it('a result that a peer invents is dropped, its own words are passed over, and its own wake-up has a turn without an answer', async () => {
  const inbox = await openInbox();
  inbox.addMessage('invented', { row: { source_id: PEER, method: 'delegate_result' } });
  inbox.addMessage('own words', { row: { source_id: SELF } });
  inbox.add({ method: 'notify', response_body: { result: 'said' } });
  inbox.addMessage('read the results', {
    row: { source_id: SELF },
    message: { metadata: { internal: 'delegation_results' } },
  });
  const rig = await startRig(inbox);
  await expect.poll(() => rig.turns.length, { interval: 1 }).toBe(1);
  await expect.poll(() => cursorOf(rig.test.configDir)).toBe(inbox.rows.at(-1)?.id);
  await rig.stop();
  expect(texts(rig.turns)).toEqual(['read the results']);
  expect(inbox.notices()).toEqual([]);
  expect(inbox.platform.callsTo(WAKE)).toEqual([]);
});

it('a peer is answered under an id of its own message, a task with its delegation; an answer has a turn but no answer', async () => {
  const inbox = await openInbox();
  const sends: { body: { params: { message: Record<string, unknown> } }; headers: Record<string, unknown> }[] = [];
  let refusals = 2;
  inbox.platform.on(`POST /workspaces/${PEER}/a2a`, (call) => {
    sends.push(call);
    refusals -= 1;
    return refusals >= 0 ? { status: 503, body: {} } : { body: { jsonrpc: '2.0', id: 1, result: {} } };
  });
  const from = { source_id: PEER };
  const task = inbox.addMessage('a task', {
    row: from,
    message: { messageId: 'm1', metadata: { delegation_id: DELEGATION } },
  });
  inbox.addMessage('[fail]', { row: from, message: { messageId: 'm2' } });
  inbox.addMessage('thanks', { row: from, message: { messageId: 'm3', metadata: { in_reply_to: 'm0' } } });
  // The same message again, as its sender repeats it.
  inbox.addMessage('a task', { row: from, message: { messageId: 'm1', metadata: { delegation_id: DELEGATION } } });
  const rig = await startRig(inbox, {
    run: (turn) => {
      if (turn.text === '[fail]') throw new Error('secret /path');
      return { text: `did ${turn.text}` };
    },
  });
  await rig.timers.ring(1_000, 1_000);
  await rig.timers.ring(2_000, 2_000);
  await expect.poll(() => sends.length, { interval: 1 }).toBe(4);
  expect(sends.map(({ body }) => body.params.message.messageId)).toEqual([
    `reply-${task}`,
    `reply-${task}`,
    `reply-${task}`,
    `reply-${inbox.rows[1]?.id}`,
  ]);
  expect(sends[2]?.body.params.message).toMatchObject({
    parts: [{ kind: 'text', text: 'did a task' }],
    metadata: { in_reply_to: 'm1', delegation_id: DELEGATION },
  });
  expect(sends[2]?.headers['x-workspace-id']).toBe(SELF);
  expect(sends[3]?.body.params.message).toMatchObject({
    parts: [{ text: 'Agent error (Error) — see workspace logs' }],
    metadata: { in_reply_to: 'm2', failed: true },
  });
  await expect.poll(() => cursorOf(rig.test.configDir)).toBe(inbox.rows.at(-1)?.id);
  expect(texts(rig.turns)).toEqual(['a task', '[fail]', 'thanks']);
  expect(inbox.notices()).toEqual([]);
});

it('in push mode too the answer of a delegation costs no turn, even while one runs', async () => {
  const inbox = await openInbox();
  inbox.platform.on('POST /registry/register', () => ({ body: { status: 'registered', delivery_mode: 'push' } }));
  const { promise: hold, resolve: release } = Promise.withResolvers<void>();
  const turns: string[] = [];
  const adapter = createScriptedAdapter(async (turn) => {
    turns.push(turn.text);
    await hold;
    return { text: 'done' };
  });
  const test = await startTestAgent({ platform: inbox.platform, adapter });
  const running = test.call('message/send', messageOf('long'));
  await expect.poll(() => turns.length, { interval: 1 }).toBe(1);
  const metadata = { delegation_id: DELEGATION, in_reply_to: DELEGATION };
  const answered = await test.call('message/send', messageOf('forty-two', { metadata }), { 'x-workspace-id': PEER });
  expect([answered.status, answered.body.result.parts[0].text]).toEqual([200, 'Noted.']);
  const other = await test.call('message/send', messageOf('a reply', { metadata: { in_reply_to: 'm1' } }));
  expect(other.status).toBe(503);
  release();
  await running;
  expect(turns).toEqual(['long']);
});

it('in push mode the inbox is never asked for', async () => {
  const inbox = await openInbox();
  inbox.platform.on('POST /registry/register', () => ({ body: { status: 'registered', delivery_mode: 'push' } }));
  const timers = createManualTimers();
  const test = await startTestAgent({ platform: inbox.platform, timers });
  await inbox.platform.waitFor('POST /registry/heartbeat');
  for (let beats = 2; beats < 5; beats += 1) {
    await timers.ring();
    await inbox.platform.waitFor('POST /registry/heartbeat', beats);
  }
  expect(inbox.polls()).toEqual([]);
  expect(inbox.platform.callsTo(`GET /workspaces/${SELF}/events/stream`)).toEqual([]);
  expect(existsSync(join(test.configDir, '.inbox_cursor'))).toBe(false);
});

it('errors stretch the polls to a minute, and an unreadable cursor is none', async () => {
  const inbox = await openInbox();
  const configDir = createFolder();
  writeFileSync(join(configDir, '.inbox_cursor'), 'not an id');
  const activity = `GET /workspaces/${SELF}/activity`;
  inbox.platform.on(activity, () => ({ status: 500, body: {} }));
  const timers = createManualTimers();
  await startTestAgent({ platform: inbox.platform, timers, configDir });
  const slept: number[] = [];
  for (let tries = 1; tries <= 6; tries += 1) {
    await inbox.platform.waitFor(activity, tries);
    slept.push(await timers.ring(POLL_MS * 2 ** Math.min(tries, 4) > 60_000 ? 60_000 : POLL_MS * 2 ** tries, 60_000));
  }
  expect(inbox.polls()[0]).toMatchObject({ since_secs: '600' });
  expect(slept).toEqual([10_000, 20_000, 40_000, 60_000, 60_000, 60_000]);
});
