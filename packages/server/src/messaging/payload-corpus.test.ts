import { type FakeAgent, sendA2a, startFakeAgent, startPlatform, type TestPlatform, waitFor } from '@molecule/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { normalizeRequest, toRpcRejection } from './normalize.ts';
import { INVALID_PAYLOADS, VALID_PAYLOADS } from './payload-corpus.ts';
import { GENERATED, type ValidEntry } from './payload-corpus-entry.ts';

type Message = Record<string, unknown> & { messageId?: string; parts?: unknown[] };
const messageOf = (body: unknown) => (body as { params?: { message?: Message } }).params?.message;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What must be true of every valid entry, and of this one. */
function assertCanonical(entry: ValidEntry, body: Record<string, unknown>): void {
  const message = messageOf(body);
  if (message) {
    expect(Array.isArray(message.parts) && message.parts.length > 0).toBe(true);
    expect(message.messageId).toMatch(/./);
    expect(message).not.toHaveProperty('content');
  }
  const expected = structuredClone(entry.canonical);
  const wanted = messageOf(expected);
  if (wanted?.messageId === GENERATED) {
    expect(message?.messageId).toMatch(UUID);
    wanted.messageId = message?.messageId ?? '';
  }
  expect(body).toMatchObject({ jsonrpc: '2.0', method: expected.method });
  expect(body.params).toEqual(expected.params);
  if (entry.body.id === undefined) expect(body.id).toMatch(UUID);
  else expect(body.id).toBe(entry.body.id);
}

/** Several entries are one message in other words, and a repeat would not reach the agent. */
function withOwnId(entry: ValidEntry): ValidEntry {
  return JSON.parse(JSON.stringify(entry).replaceAll('"m-1"', JSON.stringify(`m-${entry.key}`)));
}

describe('the corpus, normalised', () => {
  it.each(VALID_PAYLOADS.map((entry) => [entry.key, entry] as const))('%s', (_key, entry) => {
    const normalized = normalizeRequest(Buffer.from(JSON.stringify(entry.body)), entry.headers?.['a2a-version']);
    if (!normalized.ok) throw new Error(normalized.message);
    assertCanonical(entry, normalized.body);
    expect(normalized.method).toBe(entry.canonical.method);
    expect(normalized.messageId).toBe(messageOf(normalized.body)?.messageId ?? null);
  });

  it.each(INVALID_PAYLOADS.map((entry) => [entry.key, entry] as const))('%s', (_key, entry) => {
    const normalized = normalizeRequest(Buffer.from(entry.raw), undefined);
    if (normalized.ok) throw new Error('was accepted');
    expect(normalized.message).toContain(entry.error);
    expect(normalized.reason).toBe(entry.isRpcError ? 'invalid_payload' : 'invalid_json');
    if (entry.isRpcError)
      expect(toRpcRejection(normalized)).toMatchObject({ id: 'request-1', error: { code: -32602 } });
  });

  it('has entries of every version, told apart by unique keys, each with comment, date and provenance', () => {
    const entries = [...VALID_PAYLOADS, ...INVALID_PAYLOADS];
    expect(new Set(VALID_PAYLOADS.map(({ version }) => version))).toEqual(new Set(['0.2', '0.3', '1.0']));
    expect(new Set(entries.map(({ key }) => key)).size).toBe(entries.length);
    for (const { comment, date, provenance } of entries) {
      expect(comment).toMatch(/./);
      expect(date).toMatch(/^\d{4}-\d\d-\d\d$/);
      expect(provenance).toMatch(/./);
    }
    // What a receiver without the shim of v0.2 texts would miss.
    const needShim = VALID_PAYLOADS.filter(
      ({ body }) => typeof messageOf(body)?.content === 'string' && !messageOf(body)?.parts,
    );
    expect(needShim.length).toBeGreaterThanOrEqual(3);
  });
});

describe('the corpus, through the proxy', () => {
  let test: TestPlatform;
  let agent: FakeAgent;
  let peer: FakeAgent;
  beforeAll(async () => {
    test = await startPlatform();
    agent = await startFakeAgent(test);
    peer = await startFakeAgent(test);
  });
  afterAll(async () => {
    await Promise.all([agent?.stop(), peer?.stop()]);
    await test?.stop();
  });

  it('20.10 20.8 20.11 20.12 every valid entry reaches a v0.3 agent in its canonical form, once', async () => {
    for (const entry of VALID_PAYLOADS.map(withOwnId)) {
      const before = agent.calls.length;
      const sent = JSON.stringify(entry.body);
      const reply = await sendA2a(test, agent.id, sent, { token: peer.token, headers: entry.headers ?? {} });
      expect([entry.key, reply.status]).toEqual([entry.key, 200]);
      expect(agent.calls.length).toBe(before + 1);
      const got = agent.calls.at(-1);
      assertCanonical(entry, got?.body as Record<string, unknown>);
      if (
        entry.version === '0.3' &&
        JSON.stringify(entry.body.params) === JSON.stringify(entry.canonical.params) &&
        entry.body.id !== undefined
      )
        expect(got?.raw).toBe(sent);
    }
  });

  it('20.9 20.10 every invalid entry is refused to its sender with 400, and the agent is not called', async () => {
    const before = agent.calls.length;
    for (const entry of INVALID_PAYLOADS) {
      const reply = await sendA2a(test, agent.id, entry.raw, { token: peer.token });
      expect([entry.key, reply.status]).toEqual([entry.key, 400]);
      if (!entry.isRpcError) expect(reply.body).toMatchObject({ error: 'invalid JSON', code: 'invalid_json' });
      else {
        const error = {
          code: -32602,
          message: expect.stringContaining(entry.error),
          data: { field: expect.any(String) },
        };
        expect(reply.body).toEqual({ jsonrpc: '2.0', id: 'request-1', error });
      }
    }
    expect(agent.calls.length).toBe(before);
    const rows = await waitFor('the rows of the valid entries', async () => {
      const logged = await test.admin.listActivity({ params: { id: agent.id }, query: { type: 'a2a_receive' } });
      return logged.length >= VALID_PAYLOADS.length ? logged : null;
    });
    expect(rows).toHaveLength(VALID_PAYLOADS.length);
  });
});
