import {
  type FakeAgent,
  type Responder,
  replyBusy,
  replyResult,
  replyWith,
  rpcIdOf,
  sendA2a,
  startFakeAgent,
  startPlatform,
  streamResults,
  type TestPlatform,
  textRequest,
  waitFor,
  waitForActivity,
} from '@molecule/testkit';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';

let test: TestPlatform;
const agents: FakeAgent[] = [];
beforeAll(async () => {
  test = await startPlatform({ env: { A2A_IDLE_TIMEOUT_SECONDS: '1' } });
});
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.stop()));
});
afterAll(async () => {
  await test?.stop();
});

async function startAgent(respond: Responder): Promise<FakeAgent> {
  const agent = await startFakeAgent(test, { respond });
  agents.push(agent);
  return agent;
}

const EVENTS = { accept: 'text/event-stream' };
const request = () => textRequest('go', { method: 'message/stream' });
const artifact = (text: string, append = false) => ({
  kind: 'artifact-update',
  taskId: 't',
  contextId: 'c',
  append,
  artifact: { artifactId: 'a', parts: [{ kind: 'text', text }] },
});
const status = (state: string) => ({
  kind: 'status-update',
  taskId: 't',
  contextId: 'c',
  status: { state },
  final: state !== 'working',
});
const streamed = [status('working'), artifact('one, '), artifact('two', true), status('completed')];

/** Opens a stream and reads it piece by piece. */
async function open(agent: FakeAgent, signal?: AbortSignal) {
  const response = await fetch(`${test.url}/workspaces/${agent.id}/a2a`, {
    method: 'POST',
    headers: { authorization: `Bearer ${test.adminToken}`, 'content-type': 'application/json', ...EVENTS },
    body: JSON.stringify(request()),
    ...(signal ? { signal } : {}),
  });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const read = async () => new TextDecoder().decode((await reader.read()).value ?? new Uint8Array());
  return { response, read };
}

it('frames reach the caller as they come, line by line behind their numbers, and are logged as the result they amount to', async () => {
  const next = Promise.withResolvers<void>();
  const agent = await startAgent(async (call, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    response.write(
      `: a comment\r\n\r\ndata: {"jsonrpc":"2.0","id":${rpcIdOf(call)},\ndata: "result":${JSON.stringify(artifact('one, '))}}\n\n`,
    );
    await next.promise;
    response.end(`data: ${JSON.stringify({ jsonrpc: '2.0', id: 1, result: artifact('two', true) })}\n\n`);
  });
  const { response, read } = await open(agent);
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  expect(response.headers.get('cache-control')).toBe('no-cache');
  expect(response.headers.get('x-accel-buffering')).toBe('no');
  expect(await read()).toMatch(/^: a comment\n\nid: 1\ndata: \{.*\ndata: "result".*\n\n$/s);
  next.resolve();
  expect(await read()).toMatch(/^id: 2\ndata: .*"two"/);
  expect(await waitForActivity(test, agent.id)).toMatchObject({
    method: 'message/stream',
    status: 'ok',
    response_body: { result: { kind: 'task', artifacts: [{ parts: [{ kind: 'text', text: 'one, two' }] }] } },
  });
});

it('a caller without event streams gets the terminal result as one reply; an error frame is the error', async () => {
  const agent = await startAgent(streamResults(streamed));
  const reply = await sendA2a(test, agent.id, request());
  expect(reply.headers.get('content-type')).toMatch(/^application\/json/);
  expect(reply.body).toMatchObject({
    id: 1,
    result: { kind: 'task', id: 't', status: { state: 'completed' }, artifacts: [{ parts: [{ text: 'one, two' }] }] },
  });
  agent.respond(streamResults([status('working'), { kind: 'message', role: 'agent', messageId: 'm', parts: [] }]));
  expect((await sendA2a(test, agent.id, request())).body).toMatchObject({
    result: { kind: 'message', messageId: 'm' },
  });
  agent.respond((call, response) => {
    const error = { code: -32001, message: 'Task not found' };
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.end(`data: ${JSON.stringify({ jsonrpc: '2.0', id: rpcIdOf(call), error })}\n\n`);
  });
  expect((await sendA2a(test, agent.id, request())).body).toEqual({
    jsonrpc: '2.0',
    id: 1,
    error: { code: -32001, message: 'Task not found' },
  });
});

it('a stream that breaks off ends with an error frame, and the row says so', async () => {
  const agent = await startAgent(streamResults([status('working'), artifact('half')], { broken: true }));
  const reply = await sendA2a(test, agent.id, request(), { headers: EVENTS });
  expect(reply.status).toBe(200);
  expect(reply.raw).toContain('"half"');
  const last = JSON.parse(reply.raw.trimEnd().split('\n\n').at(-1)?.slice('data: '.length) ?? '');
  expect(last).toEqual({ jsonrpc: '2.0', id: 1, error: { code: -32000, message: 'stream interrupted' } });
  expect(await waitForActivity(test, agent.id)).toMatchObject({
    status: 'error',
    error_detail: 'stream interrupted',
    response_body: { result: { artifacts: [{ parts: [{ text: 'half' }] }] } },
  });
  const folded = await sendA2a(test, agent.id, request());
  expect(folded.body).toMatchObject({ error: { code: -32000, message: 'stream interrupted' } });
});

it('every frame counts as a sign of life; a silent stream is cut off', async () => {
  const agent = await startAgent(async (call, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const until = performance.now() + 1_800;
    // One write after the other for almost two idle windows, then silence.
    while (performance.now() < until && !response.destroyed)
      await new Promise<void>((written) => response.write(': working\n\n', () => setImmediate(written)));
    response.write(
      `data: ${JSON.stringify({ jsonrpc: '2.0', id: rpcIdOf(call), result: artifact('still here') })}\n\n`,
    );
  });
  const startedAt = performance.now();
  const reply = await sendA2a(test, agent.id, request(), { headers: EVENTS });
  expect(reply.raw).toContain('still here');
  expect(reply.raw).toContain('stream interrupted');
  expect(performance.now() - startedAt).toBeGreaterThan(2_700);
});

it('a caller that leaves in the middle does not end the turn', async () => {
  const next = Promise.withResolvers<void>();
  const agent = await startAgent(async (call, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(`data: ${JSON.stringify({ jsonrpc: '2.0', id: rpcIdOf(call), result: artifact('one, ') })}\n\n`);
    await next.promise;
    response.end(`data: ${JSON.stringify({ jsonrpc: '2.0', id: rpcIdOf(call), result: artifact('two', true) })}\n\n`);
  });
  const abort = new AbortController();
  const { read } = await open(agent, abort.signal);
  await read();
  abort.abort();
  next.resolve();
  expect(await waitForActivity(test, agent.id)).toMatchObject({
    status: 'ok',
    response_body: { result: { artifacts: [{ parts: [{ text: 'one, two' }] }] } },
  });
});

it('a reader that is slow slows the agent down instead of filling the memory', async () => {
  const frame = `data: ${JSON.stringify({ jsonrpc: '2.0', id: 1, result: artifact('x'.repeat(64 * 1024), true) })}\n\n`;
  const total = 24 * 1024 * 1024;
  let sent = 0;
  let waited = false;
  const agent = await startAgent(async (_call, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    for (; sent < total; sent += frame.length)
      if (!response.write(frame)) {
        waited = true;
        await new Promise((drained) => response.once('drain', drained));
      }
    response.end();
  });
  const { response, read } = await open(agent);
  expect(response.status).toBe(200);
  let seen = -1;
  let calm = 0;
  await waitFor('the agent is held up', () => {
    calm = sent === seen ? calm + 1 : 0;
    seen = sent;
    return calm >= 20;
  });
  expect(sent).toBeLessThan(total);
  const received: string[] = [];
  for (let piece = await read(); piece !== ''; piece = await read()) received.push(piece);
  // Numbered while they are logged: the first 10 MiB.
  const all = received.join('');
  expect([waited, all.replaceAll(/^id: .*\n/gm, '').length]).toEqual([true, sent]);
  const most = Math.floor((10 * 1024 * 1024) / (frame.length - 2));
  const numbered = all.match(/^id: /gm)?.length ?? 0;
  expect(numbered).toBeLessThanOrEqual(most);
  // What came in one piece with the first frame beyond the limit is not logged either.
  expect(numbered).toBeGreaterThan(most - 10);
  // Only the first 10 MiB are kept for the log.
  const row = await waitForActivity(test, agent.id);
  expect(JSON.stringify(row.response_body).length).toBeLessThan(11 * 1024 * 1024);
});

it('a busy agent queues a stream, and its reply from the queue is the folded result', async () => {
  const agent = await startAgent(replyBusy);
  const queued = await sendA2a(test, agent.id, request(), { headers: EVENTS });
  expect([queued.status, queued.body]).toMatchObject([202, { queued: true }]);
  agent.respond(streamResults(streamed));
  await agent.heartbeat({});
  expect(await waitForActivity(test, agent.id)).toMatchObject({
    method: 'message/stream',
    response_body: { result: { artifacts: [{ parts: [{ text: 'one, two' }] }] } },
  });
});

it('tasks are resubscribed to as streams, and asked for as replies', async () => {
  const agent = await startAgent(streamResults([status('working'), status('completed')]));
  const ask = (method: string) => ({ jsonrpc: '2.0', id: 5, method, params: { id: 't' } });
  const stream = await sendA2a(test, agent.id, ask('tasks/resubscribe'), { headers: EVENTS });
  expect(stream.raw.match(/^data: /gm)).toHaveLength(2);
  agent.respond(replyResult({ kind: 'task', id: 't', contextId: 'c', status: { state: 'completed' } }));
  expect((await sendA2a(test, agent.id, ask('tasks/get'))).body).toMatchObject({ id: 5, result: { id: 't' } });
  agent.respond(replyWith('plain'));
  expect((await sendA2a(test, agent.id, request(), { headers: EVENTS })).body).toMatchObject({
    result: { parts: [{ text: 'plain' }] },
  });
});
