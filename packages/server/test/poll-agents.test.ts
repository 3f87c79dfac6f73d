// Agents that fetch their messages (chapter 40 §12.1): the real runtime as a process, killed in the middle of things, on a real
// platform. Every message is answered or its sender is told, once.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createRandom,
  createSeat,
  type Seat,
  sendA2a,
  startPlatform,
  type TestPlatform,
  textRequest,
  waitFor,
} from '@molecule/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startRuntimeSeat } from './runtime-seats.ts';

const BIN = join(import.meta.dirname, '../../runtime/src/bin.ts');
const INTERRUPTED = /^The agent was stopped before it had finished/;
/** A process that starts, on a machine that is busy with other suites. */
const PATIENCE_MS = 30_000;
const TEST_MS = 120_000;

let test: TestPlatform;
let folder: string;
const running = new Set<ChildProcess>();

beforeAll(async () => {
  test = await startPlatform();
  folder = mkdtempSync(join(tmpdir(), 'molecule-poll-'));
});
afterAll(async () => {
  for (const child of running) child.kill('SIGKILL');
  await test?.stop();
  rmSync(folder, { recursive: true, force: true });
});

interface PollAgent {
  seat: Seat;
  /** Its config folder. */
  dir: string;
  start(env?: Record<string, string>): Promise<void>;
  kill(): Promise<void>;
}

interface JournalEntry {
  activityId: string;
  state: string;
}

function readJournal({ dir }: PollAgent): JournalEntry[] {
  const path = join(dir, '.inbox_journal.json');
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as { entries: JournalEntry[] }).entries : [];
}

async function createAgent(body: Parameters<typeof createSeat>[1] = {}): Promise<PollAgent> {
  const seat = await createSeat(test, { delivery_mode: 'poll', ...body });
  const dir = mkdtempSync(join(folder, 'agent-'));
  mkdirSync(join(dir, 'workspace'));
  writeFileSync(join(dir, 'config.yaml'), JSON.stringify({ name: 'Poller', runtime: 'echo', prompt_files: [] }));
  let child: ChildProcess | null = null;
  return {
    seat,
    dir,
    async start(env = {}) {
      const own = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', BIN], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          PATH: process.env.PATH ?? '',
          WORKSPACE_ID: seat.id,
          MOLECULE_WORKSPACE_TOKEN: seat.token,
          PLATFORM_URL: test.url,
          WORKSPACE_CONFIG_PATH: dir,
          MOLECULE_WORKSPACE_ROOT: join(dir, 'workspace'),
          DELEGATION_RESULTS_FILE: join(dir, 'results.jsonl'),
          PORT: '0',
          INBOX_POLL_INTERVAL_S: '1',
          ...env,
        },
      });
      child = own;
      running.add(own);
      let said = '';
      own.stdout.on('data', (chunk: Buffer) => {
        said += chunk;
      });
      own.stderr.on('data', (chunk: Buffer) => {
        said += chunk;
      });
      await waitFor('the agent polls', () => said.includes('polling the inbox'), PATIENCE_MS).catch(() => {
        throw new Error(`the agent does not poll: ${said}`);
      });
    },
    async kill() {
      const mine = child;
      child = null;
      if (!mine) return;
      const gone = once(mine, 'close');
      mine.kill('SIGKILL');
      await gone;
      running.delete(mine);
    },
  };
}

interface Notice {
  text: string;
  answers: string | null;
}

/** What a seat told its person, oldest first. */
async function listNotices({ seat }: PollAgent): Promise<Notice[]> {
  const rows = await test.admin.listActivity({ params: { id: seat.id }, query: { type: 'a2a_receive', limit: '500' } });
  return rows
    .filter(({ method }) => method === 'notify')
    .map((row) => ({
      text: (row.response_body as { result: string }).result,
      answers: (row.metadata as { in_reply_to?: string } | undefined)?.in_reply_to ?? null,
    }))
    .reverse();
}

async function ask({ seat }: PollAgent, text: string): Promise<string> {
  const { status, body } = await sendA2a(test, seat.id, textRequest(text));
  expect([status, body?.delivery_mode]).toEqual([200, 'poll']);
  return String(body?.activity_id);
}
const untilNotices = (agent: PollAgent, count: number) =>
  waitFor(
    `${count} answers`,
    async () => {
      const notices = await listNotices(agent);
      return notices.length >= count && notices;
    },
    PATIENCE_MS,
  );
const receiptsOf = async ({ seat }: PollAgent, id: string) =>
  (await test.admin.listActivity({ params: { id: seat.id } })).find((row) => row.id === id);

it(
  'R60 killed with three rows fetched and one turn begun: the other two are delivered, the first has no second turn and its sender is told once',
  async () => {
    const agent = await createAgent();
    const ids: string[] = [];
    for (const text of ['[[echo: delay 600s]] first', '[[echo: reply "second"]]', '[[echo: reply "third"]]'])
      ids.push(await ask(agent, text));
    await agent.start();
    await waitFor('the first turn began', () => readJournal(agent).some(({ state }) => state === 'begun'), PATIENCE_MS);
    // Fetched, and told to nobody as held: only the first is in a turn.
    await waitFor(
      'its receipt',
      async () => (await receiptsOf(agent, ids[0] ?? ''))?.injected_at !== undefined,
      PATIENCE_MS,
    );
    expect((await receiptsOf(agent, ids[1] ?? ''))?.injected_at).toBeUndefined();
    await agent.kill();
    await agent.start();
    const notices = await untilNotices(agent, 3);
    expect(notices.map(({ answers }) => answers).sort()).toEqual([...ids].sort());
    const textOf = (id: string | undefined) => notices.find(({ answers }) => answers === id)?.text;
    expect(textOf(ids[0])).toMatch(INTERRUPTED);
    expect([textOf(ids[1]), textOf(ids[2])]).toEqual(['second', 'third']);
    for (const id of ids) expect((await receiptsOf(agent, id))?.answered_at).toBeDefined();
    await agent.kill();
    await agent.start();
    await ask(agent, '[[echo: reply "fourth"]]');
    expect((await untilNotices(agent, 4)).map(({ text }) => text)).toContain('fourth');
    expect(await listNotices(agent)).toHaveLength(4);
    await agent.kill();
  },
  TEST_MS,
);

it(
  '20.140 killed at ten places while messages come: each is answered once, or its sender is told once that it was cut off',
  async () => {
    const agent = await createAgent();
    const random = createRandom(20_140);
    const ids: string[] = [];
    // The polls would find nothing in time: the event stream tells of what comes.
    const rarely = { INBOX_POLL_INTERVAL_S: '3600' };
    await agent.start(rarely);
    for (let round = 0; round < 10; round += 1) {
      for (let message = 0; message < 3; message += 1)
        ids.push(await ask(agent, `[[echo: delay ${1 + random.below(40)}ms]][[echo: reply "${ids.length}"]]`));
      const before = readJournal(agent).length;
      await waitFor('something was begun', () => readJournal(agent).length > before || before >= 30, PATIENCE_MS);
      await agent.kill();
      await agent.start(rarely);
    }
    const notices = await untilNotices(agent, ids.length);
    expect(notices.map(({ answers }) => answers).sort()).toEqual([...ids].sort());
    for (const [index, id] of ids.entries()) {
      const text = notices.find(({ answers }) => answers === id)?.text ?? '';
      if (!INTERRUPTED.test(text)) expect(text).toBe(String(index));
    }
    await agent.kill();
  },
  TEST_MS,
);

it(
  'told by the event stream, a message begins its turn at once, however seldom the agent polls',
  async () => {
    const agent = await createAgent();
    await agent.start({ INBOX_POLL_INTERVAL_S: '3600' });
    // The stream is heard once something came by it.
    await ask(agent, '[[echo: reply "warm"]]');
    await untilNotices(agent, 1);
    const startedAt = performance.now();
    const id = await ask(agent, '[[echo: reply "now"]]');
    await waitFor('the answer', async () => (await listNotices(agent)).some(({ answers }) => answers === id));
    expect(performance.now() - startedAt).toBeLessThan(5_000);
    await agent.kill();
  },
  TEST_MS,
);

describe('between agents that poll', () => {
  it(
    '20.139 a delegation is answered, wakes its caller once, and nobody answers an answer; a failed one fails',
    async () => {
      const lead = await createAgent();
      const worker = await createAgent();
      await Promise.all([lead.start(), worker.start()]);
      const delegate = (task: string) =>
        test.client(lead.seat.token).delegate({
          params: { id: lead.seat.id },
          body: { target_id: worker.seat.id, task },
        });
      const statusOf = async (id: string) =>
        (await test.admin.listDelegations({ params: { id: lead.seat.id } })).find(
          (row) => row.delegation_id === id && row.status !== 'queued' && row.method === 'delegate_result',
        );
      const good = await delegate('[[echo: reply "forty-two"]]');
      const bad = await delegate('[[echo: fail rate_limited]]');
      const done = await waitFor('the answer', () => statusOf(good.delegation_id), PATIENCE_MS);
      expect([done.status, done.response_preview]).toEqual(['completed', 'forty-two']);
      const failed = await waitFor('the failure', () => statusOf(bad.delegation_id), PATIENCE_MS);
      expect([failed.status, failed.error]).toEqual(['failed', 'Agent error (rate_limited) — see workspace logs']);
      // A plain message of a peer is answered by one message, which is not answered again.
      const sent = await sendA2a(test, worker.seat.id, textRequest('[[echo: reply "hello back"]]'), {
        token: lead.seat.token,
      });
      expect(sent.status).toBe(200);
      const inboxOf = async ({ seat }: PollAgent) =>
        (
          await test.admin.listActivity({ params: { id: seat.id }, query: { type: 'a2a_receive', limit: '500' } })
        ).filter(({ method }) => method === 'message/send');
      const back = await waitFor(
        'the reply',
        async () => (await inboxOf(lead)).find((row) => JSON.stringify(row.request_body).includes('hello back')),
        PATIENCE_MS,
      );
      await waitFor(
        'it was read',
        async () => (await receiptsOf(lead, back.id))?.injected_at !== undefined,
        PATIENCE_MS,
      );
      const listWakeUps = async () => (await inboxOf(lead)).filter((row) => row.source_id === lead.seat.id);
      await waitFor('the wake-up', async () => (await listWakeUps()).length > 0, PATIENCE_MS);
      // Both results within a minute are told together, or the second a minute later: never twice.
      expect(await listWakeUps()).toHaveLength(1);
      expect((await inboxOf(worker)).filter((row) => row.source_id === lead.seat.id)).toHaveLength(3);
      await Promise.all([lead.kill(), worker.kill()]);
    },
    TEST_MS,
  );
});

it(
  'R40 a busy peer makes a delegation queued; after the drain check_task_status has the text',
  async () => {
    const [asker, busy] = await Promise.all([
      startRuntimeSeat(test, { name: 'Asker' }),
      startRuntimeSeat(test, { name: 'Busy' }),
    ]);
    try {
      const call = async (tool: string, input: object) => {
        const { body } = await sendA2a(test, asker.id, textRequest(`[[echo: tool ${tool} ${JSON.stringify(input)}]]`));
        // The agent shows what the tool returned.
        const shown = (body?.result as { parts: { text: string }[] } | undefined)?.parts[0]?.text ?? '';
        const [json = '{}'] = /\{.*\}/s.exec(shown) ?? [];
        return JSON.parse(json) as Record<string, string>;
      };
      const turn = sendA2a(test, busy.id, textRequest('[[echo: ask "wait"]][[echo: delay 600s]]'));
      await waitFor('it is busy', async () => {
        const seat = await test.admin.getWorkspace({ params: { id: busy.id } });
        return seat.active_tasks === 1;
      });
      const task = { workspace_id: busy.id, task: '[[echo@Busy: reply "the text"]]' };
      const { delegation_id: taskId = '' } = await call('delegate_task_async', task);
      await waitFor('it waits', async () => {
        const { status } = await call('check_task_status', { task_id: taskId });
        return status === 'queued';
      });
      const secret = (await busy.readFile('.platform_inbound_secret')).trim();
      await fetch(`${busy.agent.url}/internal/cancel`, {
        method: 'POST',
        headers: { authorization: `Bearer ${secret}` },
      });
      await turn;
      const done = await waitFor('the drain', async () => {
        const answer = await call('check_task_status', { task_id: taskId });
        return answer.status === 'completed' && answer;
      });
      expect(done.text).toBe('the text');
    } finally {
      await Promise.all([asker.stop(), busy.stop()]);
    }
  },
  TEST_MS,
);
