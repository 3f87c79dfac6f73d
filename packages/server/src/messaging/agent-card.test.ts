import { RESUMABLE_STREAM_EXTENSION } from '@molecule/contract';
import { type FakeAgent, startFakeAgent, startPlatform, type TestPlatform } from '@molecule/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { V03_CARD, V10_CARD } from '../../test/a2a-agents.ts';

let test: TestPlatform;
let v03: FakeAgent;
let v10: FakeAgent;
let child: FakeAgent;
beforeAll(async () => {
  test = await startPlatform();
  v03 = await startFakeAgent(test, { card: V03_CARD });
  v10 = await startFakeAgent(test, { card: V10_CARD });
  child = await startFakeAgent(test, { parentId: v03.id });
});
afterAll(async () => {
  await Promise.all([v03?.stop(), v10?.stop(), child?.stop()]);
  await test?.stop();
});

interface Asking {
  token?: string | null;
  headers?: Record<string, string>;
  name?: string;
}

async function fetchCard(id: string, { token = test.adminToken, headers = {}, name = 'agent-card.json' }: Asking = {}) {
  const response = await fetch(`${test.url}/workspaces/${id}/.well-known/${name}`, {
    headers: { ...headers, ...(token === null ? {} : { authorization: `Bearer ${token}` }) },
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

const extensions = [{ uri: RESUMABLE_STREAM_EXTENSION, description: expect.any(String), required: false }];
const entryOf = (agent: FakeAgent) => `${test.url}/workspaces/${agent.id}/a2a`;
const skills = [{ id: 'echo', name: 'Echo', description: 'Says what it was told.', tags: ['test'] }];
const shared = { description: 'An echo.', provider: { organization: 'Tests', url: 'https://tests.example' }, skills };
const modes = { defaultInputModes: ['text/plain'], defaultOutputModes: ['text/plain'] };

/** Whole, so that nothing of the agent's own addresses, keys and signatures is in it. */
const asV03 = (agent: FakeAgent, name: string, version: string) => ({
  protocolVersion: '0.3.0',
  name,
  version,
  ...shared,
  ...modes,
  url: entryOf(agent),
  preferredTransport: 'JSONRPC',
  capabilities: { streaming: true, pushNotifications: true, stateTransitionHistory: false, extensions },
  securitySchemes: { bearer: { type: 'http', scheme: 'bearer', description: expect.any(String) } },
  security: [{ bearer: [] }],
  supportsAuthenticatedExtendedCard: false,
});

const asV10 = (agent: FakeAgent, name: string, version: string) => ({
  name,
  version,
  ...shared,
  ...modes,
  supportedInterfaces: ['1.0', '0.3'].map((protocolVersion) => ({
    url: entryOf(agent),
    protocolBinding: 'JSONRPC',
    protocolVersion,
  })),
  capabilities: { streaming: true, pushNotifications: true, extensions, extendedAgentCard: false },
  securitySchemes: { bearer: { httpAuthSecurityScheme: { scheme: 'bearer', description: expect.any(String) } } },
  securityRequirements: [{ schemes: { bearer: { list: [] } } }],
});

it('20.119 a card is served in the version asked for, points at the platform, and is for those who may call', async () => {
  for (const [agent, name, version] of [
    [v03, 'v0.3 agent', '3.1'],
    [v10, 'v1.0 agent', '1.7'],
  ] as const) {
    expect(await fetchCard(agent.id)).toEqual({ status: 200, body: asV03(agent, name, version) });
    expect(await fetchCard(agent.id, { name: 'agent.json' })).toEqual(await fetchCard(agent.id));
    const asked = await fetchCard(agent.id, { headers: { 'a2a-version': '1.0' } });
    expect(asked).toEqual({ status: 200, body: asV10(agent, name, version) });
  }

  // The hierarchy is that of calls and of discovery: a child may not call its parent's sibling.
  expect((await fetchCard(v03.id, { token: child.token })).status).toBe(200);
  expect((await fetchCard(v03.id, { token: v03.token })).status).toBe(200);
  expect(await fetchCard(v10.id, { token: child.token })).toMatchObject({
    status: 403,
    body: { code: 'access_denied' },
  });
  expect((await fetchCard(v10.id, { headers: { 'x-workspace-id': child.id } })).status).toBe(403);
  expect((await fetchCard(v03.id, { token: null })).status).toBe(401);
  const unknown = '00000000-0000-4000-8000-000000000001';
  expect(await fetchCard(unknown)).toMatchObject({ status: 404, body: { code: 'not_found' } });
  expect((await fetchCard(unknown, { token: child.token })).status).toBe(403);

  // A seat nobody has announced yet has a name and a role, and promises nothing.
  const bare = await startFakeAgent(test, { name: 'Ada', register: false, workspace: { role: 'Counts things.' } });
  expect((await fetchCard(bare.id)).body).toMatchObject({
    name: 'Ada',
    description: 'Counts things.',
    url: entryOf(bare),
    capabilities: { streaming: false, pushNotifications: false, extensions: [] },
    skills: [],
    ...modes,
  });
  // One that reads its inbox streams to nobody, whatever its card says.
  const reader = await startFakeAgent(test, { card: V03_CARD, deliveryMode: 'poll' });
  expect((await fetchCard(reader.id)).body).toMatchObject({
    capabilities: { streaming: false, pushNotifications: false, extensions: [] },
  });
  await test.admin.deleteWorkspace({ params: { id: bare.id }, query: { confirm: true } });
  expect((await fetchCard(bare.id)).status).toBe(404);
  await Promise.all([bare.stop(), reader.stop()]);
});

it('cards of nonsense are served as far as they say something', async () => {
  const card = {
    name: 7,
    description: ['no'],
    version: null,
    provider: 'nobody',
    capabilities: { streaming: 'yes', pushNotifications: 1 },
    defaultInputModes: 'text',
    skills: [null, { id: '' }, { name: 'nameless', tags: 'x', examples: [1, 'one'] }],
  };
  const agent = await startFakeAgent(test, { name: 'odd', card });
  expect((await fetchCard(agent.id)).body).toMatchObject({
    name: 'odd',
    description: '',
    version: '0.0.0',
    ...modes,
    capabilities: { streaming: false, pushNotifications: false },
    skills: [{ id: 'nameless', name: 'nameless', description: '', tags: [], examples: ['one'] }],
  });
  await agent.stop();
});

it('where the platform has an address of its own for outside, cards name that', async () => {
  const outside = await startPlatform({ env: { EXTERNAL_PLATFORM_URL: 'https://agents.example/' } });
  try {
    const agent = await startFakeAgent(outside, { card: V10_CARD });
    const response = await fetch(`${outside.url}/workspaces/${agent.id}/.well-known/agent-card.json`, {
      headers: { authorization: `Bearer ${outside.adminToken}` },
    });
    expect(await response.json()).toMatchObject({ url: `https://agents.example/workspaces/${agent.id}/a2a` });
    await agent.stop();
  } finally {
    await outside.stop();
  }
});
