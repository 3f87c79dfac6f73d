// The bridge against the official SDK's own one between v0.3 and v1.0, on generated values: both read the same into everything.

import { SendMessageRequest, StreamResponse, TaskPushNotificationConfig } from '@a2a-js/sdk';
import { legacyPushNotificationToV1StreamResponse } from '@a2a-js/sdk/compat/v0_3';
import { LegacyJsonRpcTransportHandler, V03PushNotificationSerializer } from '@a2a-js/sdk/compat/v0_3/server';
import { type A2ARequestHandler, ServerCallContext } from '@a2a-js/sdk/server';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Json } from '../json.ts';
import { createTranslation } from './translation.ts';
import { toV03Reply, toV10Reply } from './v1_0/replies.ts';
import { toV10Request } from './v1_0/requests.ts';

const RUNS = { numRuns: 300 };
const word = fc.string({ minLength: 1, maxLength: 8, unit: 'grapheme' });
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined, freq: 2 });
/** What JSON keeps, without the keys whose meaning is not theirs: `__proto__`, and the SDK's own mark on a part. */
const metadata = optional(
  fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.oneof(word, fc.integer(), fc.boolean(), fc.constant(null)), {
    minKeys: 1,
    maxKeys: 2,
  }),
);
const withoutUndefined = <T>(value: T): T => JSON.parse(JSON.stringify(value));
const record = (shape: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<Json> =>
  fc.record(shape).map((value) => withoutUndefined(value) as Json);

const bytes = fc.uint8Array({ minLength: 1, maxLength: 9 }).map((raw) => Buffer.from(raw).toString('base64'));
const named = { name: optional(word), mimeType: optional(word) };
const part = fc.oneof(
  record({ kind: fc.constant('text'), text: fc.string(), metadata }),
  record({ kind: fc.constant('file'), file: record({ uri: word, ...named }), metadata }),
  record({ kind: fc.constant('file'), file: record({ bytes, ...named }), metadata }),
  record({ kind: fc.constant('data'), data: fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.integer()), metadata }),
  // A v1.0 value that is no object, as v0.3 carries it.
  fc
    .oneof(word, fc.integer(), fc.array(fc.integer()), fc.constant(null))
    .map((value): Json => ({ kind: 'data', data: { value }, metadata: { data_part_compat: true } })),
);
const parts = fc.array(part, { minLength: 1, maxLength: 3 });
const words = optional(fc.array(word, { minLength: 1, maxLength: 2 }));
const message = record({
  kind: fc.constant('message'),
  messageId: word,
  role: fc.constantFrom('user', 'agent'),
  parts,
  contextId: optional(word),
  taskId: optional(word),
  metadata,
  extensions: words,
  referenceTaskIds: words,
});
const status = record({
  state: fc.constantFrom(
    ...['submitted', 'working', 'completed', 'failed', 'canceled', 'rejected', 'unknown'],
    ...['input-required', 'auth-required'],
  ),
  message: optional(message),
  timestamp: optional(fc.constant('2026-11-26T03:00:00.000Z')),
});
const artifact = record({
  artifactId: word,
  parts,
  name: optional(word),
  description: optional(word),
  metadata,
  extensions: words,
});
const many = (one: fc.Arbitrary<Json>) => optional(fc.array(one, { minLength: 1, maxLength: 2 }));
const ids = { taskId: word, contextId: word };
const flag = optional(fc.boolean());
const event = fc.oneof(
  message,
  record({
    kind: fc.constant('task'),
    id: word,
    contextId: word,
    status,
    artifacts: many(artifact),
    history: many(message),
    metadata,
  }),
  record({ kind: fc.constant('status-update'), ...ids, status, final: fc.boolean(), metadata }),
  record({ kind: fc.constant('artifact-update'), ...ids, artifact, append: flag, lastChunk: flag, metadata }),
);

const resultOf = (reply: unknown) => (reply as { result: Json }).result;

/** What one side says outright and the other leaves at its default; `final` is the state's meaning in v1.0. */
function withoutDefaults({ final: _final, append, lastChunk, ...frame }: Json): Json {
  return { ...frame, ...(append ? { append } : {}), ...(lastChunk ? { lastChunk } : {}) };
}

it('what v0.3 says is the same in v1.0, and back again', () => {
  fc.assert(
    fc.property(event, (v03) => {
      const ours = resultOf(toV10Reply({ result: v03 }, 'message/stream'));
      const theirs = legacyPushNotificationToV1StreamResponse(v03);
      expect(StreamResponse.fromJSON(ours)).toEqual(StreamResponse.fromJSON(StreamResponse.toJSON(theirs)));
      // An agent of v1.0 writes it as ProtoJSON, without what is at its default.
      const back = resultOf(toV03Reply({ result: StreamResponse.toJSON(theirs) }, 'message/stream'));
      const { body } = new V03PushNotificationSerializer().serialize(theirs);
      expect(withoutDefaults(back)).toEqual(withoutDefaults(JSON.parse(body)));
      expect(withoutDefaults(resultOf(toV03Reply({ result: ours }, 'message/stream')))).toEqual(withoutDefaults(v03));
    }),
    RUNS,
  );
});

it('and so are requests: what the SDK reads in v0.3 is what it reads in ours of v1.0', async () => {
  const push = record({
    url: word,
    id: word,
    token: optional(word),
    authentication: optional(record({ schemes: fc.tuple(word), credentials: optional(word) })),
  });
  const configuration = optional(
    record({
      blocking: fc.boolean(),
      acceptedOutputModes: words,
      historyLength: optional(fc.nat(5)),
      pushNotificationConfig: optional(push),
    }),
  );
  const read: unknown[] = [];
  const handler = {
    sendMessage: async (request: unknown) => {
      read.push(request);
      throw new Error('enough');
    },
    createTaskPushNotificationConfig: async (request: unknown) => {
      read.push(request);
      throw new Error('enough');
    },
  } as unknown as A2ARequestHandler;
  const transport = new LegacyJsonRpcTransportHandler(handler);

  const requests = fc.oneof(
    record({ method: fc.constant('message/send'), params: record({ message, configuration, metadata }) }),
    record({
      method: fc.constant('tasks/pushNotificationConfig/set'),
      params: record({ taskId: word, pushNotificationConfig: push }),
    }),
  );
  await fc.assert(
    fc.asyncProperty(requests, async ({ method, params }) => {
      const request = { jsonrpc: '2.0', id: 1, method, params };
      await transport.handle(structuredClone(request), new ServerCallContext({ requestedVersion: '0.3' }));
      const ours = toV10Request(request).params;
      const type = method === 'message/send' ? SendMessageRequest : TaskPushNotificationConfig;
      expect(type.fromJSON(ours)).toEqual(type.fromJSON(type.toJSON(read.at(-1) as never)));
    }),
    RUNS,
  );
});

it('readers of v0.2 find everything that v0.3 says where v0.3 says it', () => {
  fc.assert(
    fc.property(event, (v03) => {
      const { toCaller } = createTranslation('0.2', '0.3', 'message/stream');
      expect(resultOf(toCaller({ jsonrpc: '2.0', id: 1, result: v03 }))).toMatchObject(v03);
    }),
    RUNS,
  );
});
