// Bad input at every route: a 4xx with a stable code (and the field at fault), never a 5xx, and nothing stored.

import { connect } from 'node:net';
import { buildPath, ERRORS, type ErrorCode, paramsOf, type Route, type RouteName } from '@molecule/contract';
import { createSeat, fingerprint, type Seat, startPlatform, type TestPlatform } from '@molecule/testkit';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  findForgotten,
  ROWS,
  takesBody,
  UNKNOWN_ID,
  VALID_BODIES,
  VALID_QUERIES,
  validParams,
} from './valid-requests.ts';
import { fieldsOf, isRequired, refusedBy, takesText, UNSTORABLE } from './wrong-values.ts';

let test: TestPlatform;
let seat: Seat;
let other: Seat;
let before: Record<string, string>;

beforeAll(async () => {
  test = await startPlatform({ env: { MOLECULE_ENV: 'staging', GITHUB_WEBHOOK_SECRET: 'valid' } });
  seat = await createSeat(test, { delivery_mode: 'poll' });
  other = await createSeat(test, { delivery_mode: 'poll' });
});
beforeEach(async () => {
  before = await fingerprint(test.db);
});
afterAll(async () => {
  await test?.stop();
});

/** Codes any route may answer with, whatever its row says. */
const COMMON: readonly ErrorCode[] = [
  'invalid_json',
  'invalid_request',
  'invalid_workspace_id',
  'body_too_large',
  'unsupported_media_type',
  'unauthenticated',
  'invalid_caller',
  'not_found',
  'route_not_found',
];

interface Sent {
  body?: string;
  query?: Record<string, string | string[]>;
  params?: Record<string, string>;
  /** Instead of path and query. */
  path?: string;
  headers?: Record<string, string>;
}

interface Refusal {
  status: number;
  code: ErrorCode;
  field: string | undefined;
  body: Record<string, unknown>;
}

/** Whoever may call: the operator, and for what only agents may do the seat itself. */
const bearerOf = (route: Route) => (route.auth === 'OWN' || route.auth === 'REG' ? seat.token : test.adminToken);
const bodyOf = (name: RouteName) =>
  VALID_BODIES[name]?.({ id: seat.id, callerId: seat.id, otherId: other.id }) ?? undefined;

async function send(name: RouteName, route: Route, sent: Sent): Promise<Response> {
  const valid = bodyOf(name);
  const body = sent.body ?? (valid === undefined ? undefined : JSON.stringify(valid));
  const path = sent.path ?? buildPath(route.path, { ...validParams(seat.id), ...sent.params });
  const search = new URLSearchParams(
    Object.entries(sent.query ?? VALID_QUERIES[name] ?? {}).flatMap(([key, value]) =>
      [value].flat().map((one) => [key, one]),
    ),
  );
  return await fetch(`${test.url}${path}${search.size > 0 ? `?${search}` : ''}`, {
    method: route.method,
    headers: {
      authorization: `Bearer ${bearerOf(route)}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...sent.headers,
    },
    ...(body === undefined ? {} : { body }),
  });
}

/** Reads a refusal and holds it to what every refusal must be. */
async function refusalOf(what: unknown, name: RouteName, route: Route, sent: Sent): Promise<Refusal> {
  const response = await send(name, route, sent);
  const text = await response.text();
  expect([what, response.status >= 400 && response.status < 500, text.slice(0, 300)]).toEqual([
    what,
    true,
    expect.any(String),
  ]);
  const body = JSON.parse(text) as Record<string, unknown>;
  const code = body.code as ErrorCode;
  // An A2A refusal is a JSON-RPC error; the proxy's own suite owns its shape.
  if (body.jsonrpc !== undefined) return { status: response.status, code: 'invalid_payload', field: undefined, body };
  expect([what, ERRORS[code]?.status]).toEqual([what, response.status]);
  expect([what, code, [...COMMON, ...(route.errors ?? [])].includes(code)]).toEqual([what, code, true]);
  expect([what, typeof body.error, (body.error as string).length > 0]).toEqual([what, 'string', true]);
  return { status: response.status, code, field: body.field as string | undefined, body };
}

async function expectNothingStored(): Promise<void> {
  expect(await fingerprint(test.db)).toEqual(before);
}

/** An upload is a form, not JSON; files/upload.test.ts owns it. What is wrong with a webhook is told only to whoever signed it. */
const isOwnKind = (name: RouteName) => name === 'uploadChatFiles' || /^receive\w*Webhook/.test(name);
const withBody = ROWS.filter(([name, route]) => takesBody(route) && !isOwnKind(name));
const withSchema = withBody.filter(([, route]) => route.body !== undefined);
const withQuery = ROWS.filter(([, route]) => route.query !== undefined);
const withId = ROWS.filter(([, route]) => route.path.includes(':id'));
/** Figures an agent reports about itself never cost it the beat: wrong ones count as none (chapter 10 §4). */
const LENIENT: Partial<Record<RouteName, (field: string) => boolean>> = {
  heartbeat: (field) => field !== 'workspace_id',
  // Kept as the agent sent them, whatever they are.
  reportActivity: (field) => field === 'request_body' || field === 'response_body',
};

describe('bodies', () => {
  it('every route that takes one is covered', () => expect(findForgotten()).toEqual([]));

  it.each(withBody)('%s: what is no JSON object', async (name, route) => {
    for (const body of ['{', '{"a":}', "{'a':1}", 'undefined', '\ufeff{}x', '{"a":"\u0000"}'])
      expect([body, (await refusalOf(body, name, route, { body })).code]).toEqual([
        body,
        expect.stringMatching(/^invalid_(json|request|payload)$/),
      ]);
    if (!route.rawBody)
      expect((await refusalOf('__proto__', name, route, { body: '{"__proto__":{"x":1}}' })).code).toBe('invalid_json');
    for (const body of ['[]', '[{}]', '"text"', '5', 'null', 'true']) {
      const refusal = await refusalOf(body, name, route, { body });
      if (route.rawBody) expect([body, refusal.code]).toEqual([body, 'invalid_json']);
      else expect([body, refusal.code, refusal.field]).toEqual([body, 'invalid_request', 'body']);
    }
    await expectNothingStored();
  });

  it.each(withBody)('%s: too large, too deep, of another type', async (name, route) => {
    const limit = route.bodyLimit ?? 1_048_576;
    const large = await refusalOf('too large', name, route, {
      body: JSON.stringify({ ...bodyOf(name), filler: 'x'.repeat(limit) }),
    });
    expect([large.status, large.body.max_bytes]).toEqual([413, limit]);
    for (const type of [
      'text/plain',
      'application/xml',
      'multipart/form-data; boundary=x',
      'application/x-www-form-urlencoded',
    ])
      expect([type, (await refusalOf(type, name, route, { headers: { 'content-type': type } })).status]).toEqual([
        type,
        415,
      ]);
    if (!route.body) return await expectNothingStored();
    const depth = 50_000;
    for (const [field] of Object.entries(fieldsOf(route.body))) {
      const deep = JSON.stringify({ ...bodyOf(name), [field]: 0 }).replace(
        `"${field}":0`,
        `"${field}":${'['.repeat(depth)}${']'.repeat(depth)}`,
      );
      if (LENIENT[name]?.(field) && name === 'heartbeat') continue;
      const refusal = await refusalOf([field, 'deep'], name, route, { body: deep });
      expect([field, refusal.code, refusal.field?.split('.')[0]]).toEqual([field, 'invalid_request', field]);
    }
    await expectNothingStored();
  });

  it.each(withSchema)('%s: each field of a wrong type, and each required one missing', async (name, route) => {
    for (const [field, schema] of Object.entries(fieldsOf(route.body as never))) {
      if (LENIENT[name]?.(field)) continue;
      const wrong = refusedBy(schema);
      expect([field, wrong.length > 0]).toEqual([field, true]);
      for (const value of wrong) {
        const body = JSON.stringify({ ...bodyOf(name), [field]: value });
        const refusal = await refusalOf([field, value], name, route, { body });
        expect([field, value, refusal.code]).toEqual([field, value, 'invalid_request']);
        expect([field, value, refusal.field?.split('.')[0]]).toEqual([field, value, field]);
      }
      if (!isRequired(schema)) continue;
      const { [field]: _left, ...rest } = bodyOf(name) ?? {};
      const missing = await refusalOf([field, 'missing'], name, route, { body: JSON.stringify(rest) });
      expect([missing.code, missing.field]).toEqual(['invalid_request', field]);
    }
    await expectNothingStored();
  });

  it.each(withSchema)('%s: text that no column can hold', async (name, route) => {
    for (const [field, schema] of Object.entries(fieldsOf(route.body as never))) {
      if (LENIENT[name]?.(field) && name === 'heartbeat') continue;
      // Inside objects of any shape as well: cards, templates, secrets, what an agent reports.
      const nested = schema.safeParse({ a: 'b' }).success;
      if (!takesText(schema) && !nested) continue;
      for (const text of UNSTORABLE) {
        for (const value of nested ? [{ a: text }, { [text]: 'a' }] : [text]) {
          const body = JSON.stringify({ ...bodyOf(name), [field]: value });
          const refusal = await refusalOf([field, text], name, route, { body });
          expect([field, text, refusal.field?.split('.')[0]]).toEqual([field, text, field]);
        }
      }
    }
    await expectNothingStored();
  });
});

describe('addresses', () => {
  it.each(withId)('%s: ids that are none', async (name, route) => {
    const isQueue = name === 'getQueueItem';
    for (const id of ['x', '1', `${seat.id}0`, seat.id.slice(1), '*', 'null', "' or 1=1 --", 'ü'.repeat(50), 'a\0b']) {
      const refusal = await refusalOf(id, name, route, { params: { id } });
      // There every reason looks the same (chapter 20 §3.3).
      if (isQueue && !id.includes('\0')) expect([id, refusal.code]).toEqual([id, 'not_found']);
      else expect([id, refusal.status, refusal.field]).toEqual([id, 400, 'id']);
    }
    await expectNothingStored();
  });

  /** History outlives its workspace, so an unknown one has an empty one. */
  const HISTORIES: readonly RouteName[] = ['listDelegations', 'listActivity', 'listWorkspaceEvents'];

  it.each(withId)('%s: an unknown workspace', async (name, route) => {
    const response = await send(name, route, { params: { id: UNKNOWN_ID } });
    const text = await response.text();
    if (HISTORIES.includes(name)) expect([response.status, text]).toEqual([200, '[]']);
    else expect([response.status, text.slice(0, 200)]).toEqual([expect.toSatisfy(isClientError), expect.any(String)]);
    await expectNothingStored();
  });

  it.each(withQuery)('%s: each query field wrong, repeated, or not storable', async (name, route) => {
    const values = ['', ' ', 'abc', '-1', '0', '1.5', '1e400', '99999999999999999999', 'null', 'a\0b', '%', '\udfff'];
    for (const [field, schema] of Object.entries(fieldsOf(route.query as never))) {
      const cases: (string | string[])[] = [...values, ['1', '2'], ['a', 'b']];
      for (const value of cases) {
        const parsed = schema.safeParse(value);
        const refused = !parsed.success || parsed.data === 'a\0b';
        const query = { ...VALID_QUERIES[name], [field]: value };
        if (refused) {
          const refusal = await refusalOf([field, value], name, route, { query });
          expect([field, value, refusal.code, refusal.field]).toEqual([field, value, 'invalid_request', field]);
        } else if (route.method === 'GET' && route.transport !== 'sse') {
          const response = await send(name, route, { query });
          await response.body?.cancel();
          expect([field, value, response.status < 500 || response.status === 503]).toEqual([field, value, true]);
        }
      }
    }
    await expectNothingStored();
  });

  it.each(ROWS.filter(([, route]) => paramsOf(route.path).some((one) => one !== 'id')))(
    '%s: the second id',
    async (name, route) => {
      const names = paramsOf(route.path).filter((one) => one !== 'id');
      for (const parameter of names) {
        for (const value of ['a\0b', '%', "'; drop table workspaces; --", 'x'.repeat(1_000), '..%2f..'])
          expect(
            (await refusalOf([parameter, value], name, route, { params: { [parameter]: value } })).status,
          ).toBeLessThan(500);
      }
      await expectNothingStored();
    },
  );
});

const isClientError = (status: number) => status >= 400 && status < 500;

describe('HTTP itself', () => {
  /** Sends bytes as they are. @returns status and body of the first answer. */
  function sendRaw(request: string): Promise<{ status: number; body: Record<string, unknown> }> {
    const { hostname, port } = new URL(test.url);
    return new Promise((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => socket.write(request, 'latin1'));
      let answer = '';
      socket.on('data', (chunk) => {
        answer += String(chunk);
        const [head = '', body = ''] = answer.split('\r\n\r\n');
        const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? Number.NaN);
        if (!(body.length >= length)) return;
        socket.destroy();
        resolve({ status: Number(head.split(' ')[1]), body: JSON.parse(body) as Record<string, unknown> });
      });
      socket.on('error', reject);
      socket.on('close', () => reject(new Error(`closed after ${answer.slice(0, 200)}`)));
    });
  }
  const post = (headers: string[], body = '') =>
    [
      'POST /workspaces HTTP/1.1',
      'Host: x',
      `Authorization: Bearer ${test.adminToken}`,
      'Content-Type: application/json',
      ...headers,
      '',
      body,
    ].join('\r\n');
  const BODY = '{"name":"smuggled","external":true}';

  it('what is no request, or two in one, is refused in the common shape', async () => {
    const requests: [string, string, number][] = [
      ['two lengths', post([`Content-Length: ${BODY.length}`, 'Content-Length: 5'], BODY), 400],
      ['a length that is no number', post(['Content-Length: many'], BODY), 400],
      ['a negative length', post(['Content-Length: -1'], BODY), 400],
      ['an absurd length', post(['Content-Length: 99999999999'], BODY), 413],
      ['length and chunks', post([`Content-Length: ${BODY.length}`, 'Transfer-Encoding: chunked'], BODY), 400],
      ['a chunk size that is none', post(['Transfer-Encoding: chunked'], 'zz\r\n'), 400],
      ['NUL in a header', post(['X-Workspace-ID: a\0b', `Content-Length: ${BODY.length}`], BODY), 400],
      ['headers without end', post([`X-Filler: ${'x'.repeat(20_000)}`]), 431],
      ['no HTTP at all', 'hello\r\n\r\n', 400],
      ['an address that cannot be decoded', 'GET /workspaces/%zz HTTP/1.1\r\nHost: x\r\n\r\n', 400],
      ['half an escape', 'GET /secrets/%E0%A4%A HTTP/1.1\r\nHost: x\r\n\r\n', 400],
      ['an endless parameter', `GET /workspaces/${'x'.repeat(3_000)} HTTP/1.1\r\nHost: x\r\n\r\n`, 400],
      ['a method nobody knows', 'BREW /workspaces HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ];
    for (const [what, request, status] of requests) {
      const answer = await sendRaw(request);
      expect([what, answer.status, typeof answer.body.error, (answer.body.code as string) in ERRORS]).toEqual([
        what,
        status,
        'string',
        true,
      ]);
    }
    await expectNothingStored();
  });

  it('forged identities change nothing: reserved callers, forwarded addresses, other content', async () => {
    for (const [name, route] of ROWS.filter(([, one]) => one.auth === 'CALLER' && one.transport !== 'websocket'))
      for (const caller of ['system:cron', 'webhook:x', 'test:x', 'channel:x'])
        expect([name, (await refusalOf(caller, name, route, { headers: { 'x-workspace-id': caller } })).code]).toEqual([
          name,
          'invalid_caller',
        ]);
    for (const headers of [
      { 'x-forwarded-for': '127.0.0.1', 'x-forwarded-host': 'localhost', 'x-forwarded-proto': 'https' },
      { 'x-real-ip': '127.0.0.1', forwarded: 'for=127.0.0.1;host=localhost' },
      { 'x-http-method-override': 'GET', 'x-original-url': '/health' },
      { host: 'localhost' },
    ] as Record<string, string>[]) {
      const response = await fetch(`${test.url}/workspaces`, {
        headers: { ...headers, authorization: 'Bearer garbage' },
      });
      expect(response.status).toBe(401);
    }
    await expectNothingStored();
  });
});

describe('anything at all', () => {
  const json = fc.jsonValue({ maxDepth: 3, stringUnit: 'binary' });
  /** The statuses above 499 a route may answer with, by its own row. */
  const mayAnswer = (route: Route, status: number, code: string) =>
    status < 500 || (route.errors?.includes(code as ErrorCode) ?? false);

  it.each(withBody)('%s: never an internal error, always a code', async (name, route) => {
    // A body of any keys has those of the valid one.
    const fields = route.body
      ? Object.keys({ ...fieldsOf(route.body), ...bodyOf(name) })
      : ['jsonrpc', 'id', 'method', 'params'];
    await fc.assert(
      fc.asyncProperty(fc.dictionary(fc.constantFrom(...fields), json, { maxKeys: 3 }), async (changes) => {
        const response = await send(name, route, { body: JSON.stringify({ ...bodyOf(name), ...changes }) });
        const text = await response.text();
        if (response.status < 400) return;
        const body = JSON.parse(text) as { code?: string; jsonrpc?: string };
        const code = body.code ?? '';
        if (body.jsonrpc === undefined) expect([changes, code in ERRORS, code]).toEqual([changes, true, code]);
        expect([changes, mayAnswer(route, response.status, code), text.slice(0, 200)]).toEqual([
          changes,
          true,
          text.slice(0, 200),
        ]);
      }),
      { numRuns: 40 },
    );
  });

  it.each(withSchema)('%s: texts of a megabyte', async (name, route) => {
    for (const [field, schema] of Object.entries(fieldsOf(route.body as never))) {
      if (!takesText(schema)) continue;
      const body = JSON.stringify({ ...bodyOf(name), [field]: 'x'.repeat(1_000_000) });
      const response = await send(name, route, { body });
      const text = await response.text();
      const code = response.status < 400 ? '' : (JSON.parse(text) as { code: string }).code;
      expect([field, mayAnswer(route, response.status, code), text.slice(0, 200)]).toEqual([
        field,
        true,
        text.slice(0, 200),
      ]);
    }
  });
});
