// `molecule connect` as a process of its own, killed and started again, with handlers that are real commands and a real address.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import {
  createSeat,
  type Seat,
  sendA2a,
  startPeer,
  startPlatform,
  type TestPlatform,
  textRequest,
  waitFor,
} from '@molecule/testkit';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { begin, endCommands, makeFolder, type Running, run } from './cli.ts';

afterAll(endCommands);

const TEST_MS = 120_000;
const PATIENCE_MS = 30_000;
let test: TestPlatform;

beforeAll(async () => {
  test = await startPlatform();
});
afterAll(() => test?.stop());

interface Stage {
  seat: Seat;
  dir: string;
  /** Writes a line here for each time the handler was called. */
  log: string;
  connect(handler: string, more?: string[]): Promise<Running>;
}

async function createStage(): Promise<Stage> {
  const seat = await createSeat(test);
  const dir = makeFolder();
  const state = join(dir, 'state');
  return {
    seat,
    dir: state,
    log: join(dir, 'calls.log'),
    async connect(handler, more = []) {
      const env = { HOME: dir, CALLS: join(dir, 'calls.log'), MOLECULE_WORKSPACE_TOKEN: seat.token };
      const args = ['--platform-url', test.url, '--state-dir', state, '--handler', handler, ...more];
      const running = begin(['connect', seat.id, ...args], env);
      onTestFinished(() => running.signal('SIGKILL'));
      await running.until('is connected to');
      return running;
    },
  };
}

const callsOf = ({ log }: Stage): string[] => {
  try {
    return readFileSync(log, 'utf8').split('\n').filter(Boolean);
  } catch {
    return [];
  }
};
async function killHard(running: Running): Promise<void> {
  running.signal('SIGKILL');
  await running.ended;
}
const ask = async ({ seat }: Stage, text: string, token?: string) => {
  const sent = await sendA2a(test, seat.id, textRequest(text), token === undefined ? {} : { token });
  expect(sent.status).toBe(200);
  return String(sent.body?.activity_id);
};
async function listSaid({ seat }: Stage): Promise<string[]> {
  const rows = await test.admin.listActivity({ params: { id: seat.id }, query: { type: 'a2a_receive' } });
  return rows
    .filter(({ method }) => method === 'notify')
    .map((row) => (row.response_body as { result: string }).result)
    .reverse();
}
const untilSaid = (stage: Stage, said: string[]) =>
  waitFor(`it said ${said}`, async () => JSON.stringify(await listSaid(stage)) === JSON.stringify(said), PATIENCE_MS);
const receiptOf = async ({ seat }: Stage, id: string) =>
  (await test.admin.listActivity({ params: { id: seat.id } })).find((row) => row.id === id);

it(
  '20.93 without a mode it polls; killed while the handler works, the message comes again once, under its id, and none is lost',
  async () => {
    const stage = await createStage();
    // Hangs at first, as long as somebody waits for it, and answers when it is asked again.
    const handler =
      'echo "$MOLECULE_ACTIVITY_ID $MOLECULE_REPEAT $MOLECULE_KIND" >> "$CALLS"; text=$(cat); [ "$text" != slow ] || [ "$MOLECULE_REPEAT" = 1 ] || while kill -0 $PPID; do sleep 0.1; done; echo "said $text"';
    const first = await stage.connect(handler);
    expect(await first.until('(poll)')).toContain('is connected to');
    const mode = (await test.admin.getWorkspace({ params: { id: stage.seat.id } })).delivery_mode;
    expect(mode).toBe('poll');
    // The very first message, before there is a cursor to go back to.
    const slow = await ask(stage, 'slow');
    await waitFor('the handler works', () => callsOf(stage).length === 1, PATIENCE_MS);
    await waitFor('its receipt', async () => (await receiptOf(stage, slow))?.injected_at !== undefined, PATIENCE_MS);
    const quick = await ask(stage, 'quick');
    await killHard(first);
    expect(readdirSync(stage.dir)).not.toContain('.inbox_cursor');

    const second = await stage.connect(handler);
    await untilSaid(stage, ['said slow', 'said quick']);
    expect(callsOf(stage)).toEqual([`${slow} 0 user`, `${slow} 1 user`, `${quick} 0 user`]);
    expect((await receiptOf(stage, slow))?.answered_at).toBeDefined();
    // It moves on over the seat's own notices, which stand in the same list.
    const later = () => test.admin.listActivity({ params: { id: stage.seat.id }, query: { since_id: quick } });
    await waitFor(
      'the cursor is past what was answered',
      async () => {
        const cursor = readFileSync(join(stage.dir, '.inbox_cursor'), 'utf8');
        return cursor === quick || (await later()).some(({ id }) => id === cursor);
      },
      PATIENCE_MS,
    );
    await killHard(second);
    // Nothing is left to be done again.
    const third = await stage.connect(handler);
    await ask(stage, 'last');
    await untilSaid(stage, ['said slow', 'said quick', 'said last']);
    expect(callsOf(stage)).toHaveLength(4);
    third.signal('SIGTERM');
    expect((await third.ended).code).toBe(0);
    for (const name of ['.auth_token', '.inbox_cursor', '.inbox_journal.json'])
      expect((statSync(join(stage.dir, name)).mode & 0o777).toString(8)).toBe('600');
  },
  TEST_MS,
);

it(
  '20.108 started again, the next message of a peer reaches the handler with the session of that peer, and a person has one of their own',
  async () => {
    const stage = await createStage();
    const peer = await createSeat(test, { delivery_mode: 'poll', name: 'The peer' });
    const handler =
      'text=$(cat); echo "$MOLECULE_THREAD|$MOLECULE_PEER_NAME|$MOLECULE_SESSION|$text" >> "$CALLS"; printf "%s+%s" "$MOLECULE_SESSION" "$text" > "$MOLECULE_SESSION_FILE"; [ "$text" != bad ]';
    const first = await stage.connect(handler);
    await ask(stage, 'one', peer.token);
    await ask(stage, 'person');
    await waitFor('both', () => callsOf(stage).length === 2, PATIENCE_MS);
    // What a failed handler wrote is not kept.
    await ask(stage, 'bad', peer.token);
    await first.until('failed on The peer after');
    await untilSaid(stage, ['(no response generated)']);
    await killHard(first);
    await stage.connect(handler);
    await ask(stage, 'two', peer.token);
    await waitFor('the fourth', () => callsOf(stage).length === 4, PATIENCE_MS);
    expect(callsOf(stage)).toEqual([
      `${peer.id}|The peer||one`,
      'user|||person',
      `${peer.id}|The peer|+one|bad`,
      `${peer.id}|The peer|+one|two`,
    ]);
    const file = join(stage.dir, 'threads', peer.id);
    await waitFor('the session', () => readFileSync(file, 'utf8') === '+one+two', PATIENCE_MS);
    expect((statSync(file).mode & 0o777).toString(8)).toBe('600');
    // The peer has an answer to each, none of which was answered in turn.
    const rows = await waitFor(
      'answers at the peer',
      async () => {
        const inbox = await test.client(peer.token).listActivity({ params: { id: peer.id } });
        const answers = inbox.filter((row) => row.source_id === stage.seat.id);
        return answers.length === 3 && answers;
      },
      PATIENCE_MS,
    );
    expect(JSON.stringify(rows)).toContain('Agent error (exit_1) — see workspace logs');
  },
  TEST_MS,
);

it(
  'a delegation is answered with its id, an address as handler gets JSON and keeps its session, and a failure fails the delegation',
  async () => {
    const stage = await createStage();
    const lead = await createSeat(test, { delivery_mode: 'poll' });
    const service = await startPeer((call, response) => {
      const { text, session } = call.body as { text: string; session: string | null };
      if (text === 'break') return void response.writeHead(500).end('internal words');
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ text: `did ${text} (${session})`, session: `after ${text}` }));
    });
    onTestFinished(() => service.stop());
    await stage.connect(service.url);
    const delegate = (task: string) =>
      test.client(lead.token).delegate({ params: { id: lead.id }, body: { target_id: stage.seat.id, task } });
    const endOf = (id: string) =>
      waitFor(
        'its end',
        async () =>
          (await test.admin.listDelegations({ params: { id: lead.id } })).find(
            (row) => row.delegation_id === id && ['completed', 'failed'].includes(row.status),
          ),
        PATIENCE_MS,
      );
    const first = await delegate('a');
    expect(await endOf(first.delegation_id)).toMatchObject({ status: 'completed' });
    const second = await delegate('b');
    await endOf(second.delegation_id);
    const texts = (await test.admin.listDelegations({ params: { id: lead.id } })).map((row) => row.response_preview);
    expect(texts).toContain('did a (null)');
    expect(texts).toContain('did b (after a)');
    const broken = await delegate('break');
    expect(await endOf(broken.delegation_id)).toMatchObject({
      status: 'failed',
      error: 'Agent error (http_500) — see workspace logs',
    });
    expect(service.calls.at(-1)?.body).toMatchObject({
      kind: 'peer',
      thread: lead.id,
      delegation_id: broken.delegation_id,
      text: 'break',
      session: 'after b',
      repeat: false,
    });
  },
  TEST_MS,
);

it(
  'its token is taken away: it stops with what mends it; the new one, given once, is kept',
  async () => {
    const stage = await createStage();
    const first = await stage.connect('cat');
    const { connection } = await test.admin.rotateCredentials({ params: { id: stage.seat.id } });
    await ask(stage, 'hello');
    const ended = await first.ended;
    expect([ended.code, ended.err]).toEqual([1, expect.stringContaining('does not accept the token')]);
    expect(ended.err).toContain('--token');
    const args = ['connect', stage.seat.id, '--platform-url', test.url, '--state-dir', stage.dir, '--handler', 'cat'];
    const second = begin([...args, '--token', connection.auth_token, '--json']);
    await second.until('"type":"answer"');
    const other = await run(args);
    expect([other.code, other.err]).toEqual([1, expect.stringContaining('another molecule connect')]);
    second.signal('SIGINT');
    const lines = (await second.ended).lines();
    expect(lines.map(({ type }) => type)).toEqual(['connected', 'message', 'answer']);
    expect(lines[0]).toMatchObject({ workspace_id: stage.seat.id, delivery_mode: 'poll' });
    const third = begin(args);
    await third.until('is connected to');
    await killHard(third);
    await test.admin.deleteWorkspace({ params: { id: stage.seat.id } });
    const gone = await run(args);
    expect([gone.code, gone.err]).toEqual([1, expect.stringContaining('was deleted')]);
  },
  TEST_MS,
);

it(
  'files come first: the handler reads what a person attached, from its own disk; it does not see the token',
  async () => {
    const stage = await createStage();
    const handler = `path=$(node -p 'require("url").fileURLToPath(JSON.parse(process.env.MOLECULE_FILES)[0].uri)'); echo "token: $MOLECULE_WORKSPACE_TOKEN, file: $(cat "$path")"`;
    await stage.connect(handler);
    const form = new FormData();
    form.append('files', new Blob(['forty-two'], { type: 'text/plain' }), 'the answer.txt');
    const response = await fetch(`${test.url}/workspaces/${stage.seat.id}/chat/uploads`, {
      method: 'POST',
      body: form,
      headers: { authorization: `Bearer ${test.adminToken}` },
    });
    const { files } = (await response.json()) as { files: { uri: string }[] };
    expect(files[0]?.uri).toMatch(/^platform-pending:/);
    const parts = [
      { kind: 'text', text: 'what does it say?' },
      { kind: 'file', file: files[0] },
    ];
    await sendA2a(test, stage.seat.id, textRequest('', { message: { parts } }));
    await untilSaid(stage, ['token: , file: forty-two']);
  },
  TEST_MS,
);

it(
  'in push mode the platform calls it, and a person gets the handler’s words as the reply',
  async () => {
    const seat = await createSeat(test);
    const free = await startPeer(() => {});
    await free.stop();
    // As the backend's own, since the outbound guard lets no agent name an address of this machine.
    await test.db.kysely
      .updateTable('workspaces')
      .set({ url: free.url, url_source: 'provisioner' })
      .where('id', '=', seat.id)
      .execute();
    test.platform.workspaces.forget(seat.id);
    const dir = makeFolder();
    const args = ['connect', seat.id, '--platform-url', test.url, '--token', seat.token, '--state-dir', dir];
    const push = ['--mode', 'push', '--public-url', free.url, '--port', String(free.port)];
    const running = begin([...args, ...push, '--handler', 'echo "$MOLECULE_THREAD: $(cat)"']);
    onTestFinished(() => running.signal('SIGKILL'));
    await running.until('(push)');
    const reply = await sendA2a(test, seat.id, textRequest('hello'));
    expect([reply.status, JSON.stringify(reply.body?.result)]).toEqual([200, expect.stringContaining('user: hello')]);
    running.signal('SIGTERM');
    expect((await running.ended).code).toBe(0);
  },
  TEST_MS,
);

it('wrong usage says what is right', async () => {
  const noId = await run(['connect', 'nobody', '--handler', 'cat']);
  expect([noId.code, noId.err]).toEqual([2, expect.stringContaining('not the id of a workspace')]);
  const id = '00000000-0000-4000-8000-000000000001';
  const push = await run(['connect', id, '--handler', 'cat', '--mode', 'push']);
  expect([push.code, push.err]).toEqual([2, expect.stringContaining('--public-url')]);
  expect((await run(['connect', id])).code).toBe(2);
  const help = await run(['connect', '--help']);
  for (const flag of ['--platform-url', '--token', '--mode', '--handler', '--state-dir', '--json'])
    expect(help.out).toContain(flag);
});
