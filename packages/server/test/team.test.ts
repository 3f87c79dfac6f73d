// The main job on real parts: the platform, its process backend, one runtime per seat of the shipped sample team, scripted or
// over a model server on loopback that speaks a provider's own streaming wire.

import { createClient } from '@molecule/contract';
import {
  type ModelRequest,
  type ModelServer,
  startModelServer,
  startPlatform,
  type TestPlatform,
  textRequest,
  waitFor,
} from '@molecule/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

type Row = Awaited<ReturnType<TestPlatform['admin']['listWorkspaces']>>[number];

const START_MS = 60_000;
const REPORTS = ['Engineering Lead', 'Growth Lead'];
const LEAVES = ['Backend Engineer', 'QA Engineer', 'Market Analyst'];

/** Imports the shipped team and waits until every seat is online. */
async function importSampleTeam(test: TestPlatform): Promise<Row[]> {
  await test.admin.importOrg({ body: { dir: 'sample-team' } });
  return await waitFor(
    'the whole team online',
    async () => {
      const rows = await test.admin.listWorkspaces();
      const failed = rows.find(({ status }) => status === 'failed');
      if (failed) throw new Error(`${failed.name}: ${failed.last_sample_error}`);
      return rows.every(({ status }) => status === 'online') && rows;
    },
    START_MS,
  );
}

/** Streams a question to a seat as a person's canvas does. @returns the frames' JSON, in order. */
async function ask(test: TestPlatform, id: string, text: string): Promise<Record<string, unknown>[]> {
  const response = await fetch(`${test.url}/workspaces/${id}/a2a`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${test.adminToken}`,
      'content-type': 'application/json',
      accept: 'text/event-stream',
    },
    body: JSON.stringify(textRequest(text, { method: 'message/stream' })),
  });
  expect(response.headers.get('content-type')).toContain('text/event-stream');
  const body = await response.text();
  return body
    .split(/\r?\n\r?\n/)
    .filter((frame) => frame.startsWith('data:') || frame.includes('\ndata:'))
    .map((frame) => JSON.parse(frame.slice(frame.indexOf('data:') + 5)) as Record<string, unknown>);
}

interface StreamedResult {
  kind?: string;
  artifact?: { parts?: { text?: string }[] };
  status?: { state?: string; message?: { metadata?: Record<string, unknown> } };
}

const resultsOf = (frames: Record<string, unknown>[]) => frames.map((frame) => frame.result as StreamedResult);
const chunksOf = (frames: Record<string, unknown>[]) =>
  resultsOf(frames)
    .filter(({ kind }) => kind === 'artifact-update')
    .map(({ artifact }) => (artifact?.parts ?? []).map(({ text }) => text ?? '').join(''));

const seatOf = (rows: Row[], name: string): Row => {
  const row = rows.find((one) => one.name === name);
  if (!row) throw new Error(`no seat ${name}`);
  return row;
};

describe('the sample team without a model', () => {
  let test: TestPlatform;
  let rows: Row[];

  beforeAll(async () => {
    test = await startPlatform({ env: { MOLECULE_PROVISIONER: 'process' } });
    rows = await importSampleTeam(test);
  }, START_MS);
  afterAll(async () => {
    await test?.stop();
  });

  it('comes online two levels deep on the scripted runtime', () => {
    expect(rows.map(({ runtime }) => runtime)).toEqual(rows.map(() => 'echo'));
    const chief = seatOf(rows, 'Chief of Staff');
    expect(REPORTS.map((name) => seatOf(rows, name).parent_id)).toEqual([chief.id, chief.id]);
    expect(LEAVES.every((name) => REPORTS.some((lead) => seatOf(rows, lead).id === seatOf(rows, name).parent_id))).toBe(
      true,
    );
  });

  it('answers a question with what every report and their reports said, streamed, through the ledger', async () => {
    const chief = seatOf(rows, 'Chief of Staff');
    const chunks = chunksOf(await ask(test, chief.id, 'Can we launch on Thursday?'));
    expect(chunks.length).toBeGreaterThan(5);
    const answer = chunks.join('');
    for (const name of [...REPORTS, ...LEAVES]) expect(answer).toContain(name);
    expect(answer).toMatch(/scripted|no model/i);

    const { delegations } = await test.admin.listAllDelegations({ query: { status: 'completed' } });
    const pairs = delegations.map(({ caller_id, callee_id }) => [caller_id, callee_id]);
    const expected = rows.filter(({ parent_id }) => parent_id !== null).map(({ id, parent_id }) => [parent_id, id]);
    expect(pairs.sort()).toEqual(expected.sort());

    const history = await waitFor('the row of the question', async () => {
      const found = await test.admin.listActivity({
        params: { id: chief.id },
        query: { type: 'a2a_receive', source: 'canvas' },
      });
      return found.length > 0 && found;
    });
    expect(JSON.stringify(history[0]?.response_body)).toContain('Market Analyst');
  });

  it('refuses what the hierarchy forbids', async () => {
    const engineer = seatOf(rows, 'Backend Engineer');
    const analyst = seatOf(rows, 'Market Analyst');
    const { auth_token } = await test.admin.createToken({ params: { id: engineer.id } });
    const { allowed } = await createClient({ baseUrl: test.url, token: auth_token }).checkAccess({
      body: { caller_id: engineer.id, target_id: analyst.id },
    });
    expect(allowed).toBe(false);
  });
});

/** A model that leads when it is told to coordinate, and answers when it has nobody to ask. */
function lead(request: ModelRequest) {
  const results = request.toolResults.map((text) => JSON.parse(text) as unknown);
  const peers = results.find(Array.isArray) as { id: string; relation: string }[] | undefined;
  const children = (peers ?? []).filter(({ relation }) => relation === 'child');
  if (results.length === 0) return { toolCalls: [{ name: 'list_peers', input: {} }] };
  if (children.length > 0)
    return {
      text: 'Asking my reports. ',
      toolCalls: children.map(({ id }) => ({
        name: 'delegate_task',
        input: { workspace_id: id, task: request.userText },
      })),
    };
  const answers = results.map((result) => (result as { text?: string }).text).filter(Boolean);
  return {
    text: answers.length > 0 ? ['Together: ', ...answers.map((answer) => `${answer}; `)] : ['A leaf', ' said yes'],
  };
}

describe('the sample team over a model', () => {
  let test: TestPlatform;
  let model: ModelServer;
  let rows: Row[];

  beforeAll(async () => {
    model = await startModelServer(lead);
    test = await startPlatform({
      env: { MOLECULE_PROVISIONER: 'process', OPENAI_API_KEY: 'loopback-key-123456', OPENAI_BASE_URL: model.baseUrl },
    });
    rows = await importSampleTeam(test);
  }, START_MS);
  afterAll(async () => {
    await test?.stop();
    await model?.stop();
  });

  it('runs on ai-sdk as soon as a key is in the environment', () => {
    expect(rows.map(({ runtime }) => runtime)).toEqual(rows.map(() => 'ai-sdk'));
  });

  it('loops over the tools of the model, streams its words and keeps the trace', async () => {
    const chief = seatOf(rows, 'Chief of Staff');
    const frames = await ask(test, chief.id, 'Is the release ready?');
    const chunks = chunksOf(frames);
    expect(chunks.length).toBeGreaterThanOrEqual(3);
    expect(chunks.join('').match(/A leaf said yes/g)).toHaveLength(LEAVES.length);
    const last = resultsOf(frames).at(-1);
    expect(last?.status?.state).toBe('completed');

    const row = await waitFor('the row of the answer', async () =>
      (
        await test.admin.listActivity({ params: { id: chief.id }, query: { type: 'a2a_receive', source: 'canvas' } })
      ).find(({ tool_trace }) => tool_trace),
    );
    const trace = row.tool_trace as { tool: string; ok: boolean }[];
    expect(trace.map(({ tool }) => tool)).toEqual(['list_peers', 'delegate_task', 'delegate_task']);
    expect(trace.every(({ ok }) => ok)).toBe(true);

    const streamed = model.requests.filter(({ stream }) => stream);
    expect(streamed.length).toBe(model.requests.length);
    expect(new Set(model.requests.map(({ headers }) => headers.authorization))).toEqual(
      new Set(['Bearer loopback-key-123456']),
    );
    const { delegations } = await test.admin.listAllDelegations({ query: { status: 'completed' } });
    expect(delegations).toHaveLength(rows.length - 1);
  });

  it('says in plain words that the model refused, and never its text', async () => {
    model.respond(() => ({ status: 401, message: 'the provider said: key loopback-key-123456 is wrong' }));
    const engineer = seatOf(rows, 'Backend Engineer');
    const said = JSON.stringify(await ask(test, engineer.id, 'Are you there?'));
    expect(said).toMatch(/auth_failed/);
    expect(said).not.toMatch(/loopback-key|the provider said/);
  });
});
