// The scripted provider as a client without an SDK sees it: whole replies, refusals, and what it kept of each request.

import { expect, it, onTestFinished } from 'vitest';
import { type ModelScript, type ModelServer, startModelServer } from './model-server.ts';

const BODIES = {
  '/v1/chat/completions': {
    messages: [
      { role: 'system', content: 'be brief' },
      { role: 'user', content: 'add 1 and 2' },
    ],
    tools: [{ type: 'function', function: { name: 'add', parameters: {} } }],
  },
  '/v1/messages': {
    system: [{ type: 'text', text: 'be brief' }],
    messages: [{ role: 'user', content: [{ type: 'text', text: 'add 1 and 2' }] }],
    tools: [{ name: 'add', input_schema: {} }],
  },
  '/v1/responses': {
    instructions: 'be brief',
    input: [{ role: 'user', content: [{ type: 'input_text', text: 'add 1 and 2' }] }],
    tools: [{ type: 'function', name: 'add', parameters: {} }],
  },
};
type Path = keyof typeof BODIES;
const PATHS = Object.keys(BODIES) as Path[];

async function open(script?: ModelScript): Promise<ModelServer> {
  const server = await startModelServer(script);
  onTestFinished(() => server.stop());
  return server;
}

const post = (server: ModelServer, path: Path, extra: object = {}) =>
  fetch(server.url + path, { method: 'POST', body: JSON.stringify({ model: 'm', ...BODIES[path], ...extra }) });

it('reads the same request from every wire', async () => {
  const server = await open();
  for (const path of PATHS) await post(server, path);
  expect(server.requests.map(({ wire }) => wire)).toEqual(['chat', 'messages', 'responses']);
  for (const request of server.requests)
    expect(request).toMatchObject({
      model: 'm',
      stream: false,
      system: 'be brief',
      userText: 'add 1 and 2',
      tools: ['add'],
      toolResults: [],
    });
});

it('answers whole with text and tool calls', async () => {
  const server = await open(() => ({ text: ['thr', 'ee'], toolCalls: [{ id: 'c1', name: 'add', input: { a: 1 } }] }));
  const [chat, messages, responses] = await Promise.all(
    PATHS.map(async (path) => (await post(server, path)).json() as Promise<never>),
  );
  expect(chat).toMatchObject({
    choices: [
      {
        message: { content: 'three', tool_calls: [{ id: 'c1', function: { name: 'add', arguments: '{"a":1}' } }] },
        finish_reason: 'tool_calls',
      },
    ],
  });
  expect(messages).toMatchObject({
    content: [
      { type: 'text', text: 'three' },
      { type: 'tool_use', id: 'c1', name: 'add', input: { a: 1 } },
    ],
    stop_reason: 'tool_use',
  });
  expect(responses).toMatchObject({
    status: 'completed',
    output: [
      { type: 'message', content: [{ type: 'output_text', text: 'three' }] },
      { type: 'function_call', call_id: 'c1', name: 'add', arguments: '{"a":1}' },
    ],
  });
});

it('refuses as it is told, with headers, and says so when its script fails', async () => {
  const server = await open(() => ({ status: 429, headers: { 'retry-after': '3' }, message: 'slow down' }));
  for (const path of PATHS) {
    const response = await post(server, path);
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe('3');
    expect(await response.json()).toMatchObject({ error: { message: 'slow down' } });
  }
  server.respond(() => {
    throw new Error('a fault of the test');
  });
  expect(await (await post(server, '/v1/messages')).json()).toMatchObject({
    error: { message: expect.stringContaining('a fault of the test') },
  });
});

it('begins to answer when the script says so', async () => {
  const gate = Promise.withResolvers<void>();
  const server = await open(async () => {
    await gate.promise;
    return { text: 'late' };
  });
  const answer = post(server, '/v1/messages', { stream: true });
  await server.waitForRequests(1);
  gate.resolve();
  const text = await (await answer).text();
  expect(text).toContain('event: message_start');
  expect(text).toContain('"text":"late"');
  expect(text).toContain('event: message_stop');
});

it('lists its model and knows no other route', async () => {
  const server = await open();
  expect(await (await fetch(`${server.baseUrl}/models`)).json()).toMatchObject({ data: [{ id: 'scripted-model' }] });
  expect((await fetch(`${server.baseUrl}/embeddings`, { method: 'POST' })).status).toBe(404);
});
