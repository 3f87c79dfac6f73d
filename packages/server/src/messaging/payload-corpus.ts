// The payloads every change of normalisation or of the A2A SDK is replayed on (chapter 20 §2), for tests only. Add an entry for
// every new SDK and every shape seen in the field; remove one only with an announced breaking change.

import type { Json } from './json.ts';
import { DATE, type InvalidEntry, send, text, user, type ValidEntry } from './payload-corpus-entry.ts';
import { V02_PAYLOADS } from './payload-corpus-v02.ts';

const V03 = { version: '0.3', date: DATE, provenance: 'A2A v0.3 specification, @a2a-js/sdk v0.3' } as const;
const V10 = { version: '1.0', date: DATE, provenance: 'A2A v1.0 specification, @a2a-js/sdk 1.3' } as const;
const FIELD = { version: '0.3', date: DATE, provenance: 'seen in the field' } as const;

/** A message that must reach the agent as it was sent. */
function unchanged(key: string, comment: string, message: Json, extra: Json = {}): ValidEntry {
  const body = send(message, extra);
  return { ...V03, key, comment, body, canonical: { method: 'message/send', params: body.params as Json } };
}

export const VALID_PAYLOADS: readonly ValidEntry[] = [
  ...V02_PAYLOADS,
  unchanged('v0_3_parts_text_only', 'The plain case, forwarded byte for byte.', user({ parts: [text('hi')] })),
  unchanged('v0_3_parts_multi_text', 'The order of parts is kept.', user({ parts: [text('b'), text('a'), text('c')] })),
  unchanged(
    'v0_3_parts_with_file',
    'A file by address and one by its bytes.',
    user({
      parts: [
        text('look'),
        { kind: 'file', file: { uri: 'workspace:/a.png', name: 'a.png', mimeType: 'image/png' } },
        { kind: 'file', file: { bytes: 'aGk=', name: 'hi.txt' } },
      ],
    }),
  ),
  unchanged(
    'v0_3_parts_with_context',
    'The conversation stays the same one.',
    user({ contextId: 'context-1', taskId: 'task-1', parts: [text('hi')] }),
  ),
  unchanged(
    'v0_3_unicode_text',
    'Emoji, right-to-left, combining and escaped characters, byte for byte.',
    user({ parts: [text('Zoë 👩‍🚀 שלום e\u0301 \u2028 "quoted" \\u0000 is not NUL')] }),
  ),
  unchanged('v0_3_long_text', 'Ten kilobytes.', user({ parts: [text('0123456789'.repeat(1_024))] })),
  {
    ...V03,
    key: 'v0_3_streaming_method',
    comment: 'The method is kept.',
    body: { ...send(user({ parts: [text('hi')] })), method: 'message/stream' },
    canonical: { method: 'message/stream', params: { message: user({ parts: [text('hi')] }) } },
  },
  {
    ...FIELD,
    key: 'no_jsonrpc_envelope',
    comment: 'A bare method with its parameters.',
    body: { method: 'message/send', params: { message: user({ parts: [text('hi')] }) } },
    canonical: { method: 'message/send', params: { message: user({ parts: [text('hi')] }) } },
  },
  {
    ...FIELD,
    key: 'no_jsonrpc_id',
    comment: 'A notification by its shape; the sender waits for an answer nevertheless.',
    body: { jsonrpc: '2.0', method: 'message/send', params: { message: user({ parts: [text('hi')] }) } },
    canonical: { method: 'message/send', params: { message: user({ parts: [text('hi')] }) } },
  },
  {
    ...V03,
    key: 'no_message',
    comment: 'Requests about tasks carry no message, and nothing is asked of one.',
    body: { jsonrpc: '2.0', id: 1, method: 'tasks/list', params: {} },
    canonical: { method: 'tasks/list', params: {} },
  },
  {
    ...FIELD,
    key: 'no_message_no_method',
    comment: 'Empty parameters and nothing else: the agent decides.',
    body: { params: {} },
    canonical: { method: '', params: {} },
  },
  {
    ...FIELD,
    key: 'both_fields',
    comment: 'A client in transition: parts win.',
    body: send(user({ parts: [text('new')], content: 'old' })),
    canonical: { method: 'message/send', params: { message: user({ parts: [text('new')] }) } },
  },
  {
    ...FIELD,
    key: 'type_tagged_part',
    comment: 'Parts told apart by `type`, as model APIs do.',
    body: send(user({ parts: [{ type: 'text', text: 'hi' }] })),
    canonical: {
      method: 'message/send',
      params: { message: user({ parts: [{ type: 'text', text: 'hi', kind: 'text' }] }) },
    },
  },
  {
    ...FIELD,
    key: 'bare_text_part',
    comment: 'A part that says what it is by its field alone.',
    body: send(user({ parts: [{ text: 'hi' }] })),
    canonical: { method: 'message/send', params: { message: user({ parts: [text('hi')] }) } },
  },
  unchanged(
    'metadata_passthrough',
    'Metadata of the message and of the request is nobody else’s business.',
    user({ parts: [text('hi')], metadata: { delegation_id: 'd-1', deep: { list: [1, null] } } }),
    { metadata: { history: [{ role: 'user', parts: [] }] } },
  ),
  {
    ...V10,
    key: 'v1_0_send',
    comment: 'Told by its method; no header.',
    body: {
      jsonrpc: '2.0',
      id: 7,
      method: 'SendMessage',
      params: { message: { role: 'ROLE_USER', messageId: 'm-1', parts: [{ text: 'hi' }] } },
    },
    canonical: {
      method: 'message/send',
      params: { message: { kind: 'message', role: 'user', messageId: 'm-1', parts: [text('hi')] } },
    },
  },
  {
    ...V10,
    key: 'v1_0_role_only',
    comment: 'A v1.0 message under a v0.3 method.',
    body: send({ role: 'ROLE_USER', messageId: 'm-1', parts: [{ text: 'hi' }] }),
    canonical: {
      method: 'message/send',
      params: { message: { kind: 'message', role: 'user', messageId: 'm-1', parts: [text('hi')] } },
    },
  },
  {
    ...V10,
    key: 'v1_0_header_only',
    comment: 'Told by the header; everything else might be v0.3.',
    headers: { 'a2a-version': '1.0' },
    body: send(user({ parts: [{ url: 'https://files.example/a.png' }] })),
    canonical: {
      method: 'message/send',
      params: {
        message: {
          kind: 'message',
          ...user({ parts: [{ kind: 'file', file: { uri: 'https://files.example/a.png' } }] }),
        },
      },
    },
  },
  {
    ...V10,
    key: 'v1_0_file_url',
    comment: 'A file by address and one by its bytes.',
    body: {
      jsonrpc: '2.0',
      id: 7,
      method: 'SendMessage',
      params: {
        message: {
          role: 'ROLE_USER',
          messageId: 'm-1',
          parts: [
            { url: 'https://files.example/a.png', filename: 'a.png', mediaType: 'image/png' },
            { raw: 'aGk=', filename: 'hi.txt', mediaType: 'text/plain' },
            { data: { answer: 42 } },
          ],
        },
      },
    },
    canonical: {
      method: 'message/send',
      params: {
        message: {
          kind: 'message',
          role: 'user',
          messageId: 'm-1',
          parts: [
            { kind: 'file', file: { uri: 'https://files.example/a.png', name: 'a.png', mimeType: 'image/png' } },
            { kind: 'file', file: { bytes: 'aGk=', name: 'hi.txt', mimeType: 'text/plain' } },
            { kind: 'data', data: { answer: 42 } },
          ],
        },
      },
    },
  },
  {
    ...V10,
    key: 'v1_0_configuration',
    comment: 'What one version asks to return at once, the other asks not to block.',
    body: {
      jsonrpc: '2.0',
      id: 7,
      method: 'SendStreamingMessage',
      params: {
        message: { role: 'ROLE_USER', messageId: 'm-1', parts: [{ text: 'hi' }] },
        configuration: { returnImmediately: true, acceptedOutputModes: ['text/plain'] },
      },
    },
    canonical: {
      method: 'message/stream',
      params: {
        message: { kind: 'message', role: 'user', messageId: 'm-1', parts: [text('hi')] },
        configuration: { blocking: false, acceptedOutputModes: ['text/plain'] },
      },
    },
  },
  {
    ...V10,
    key: 'v1_0_configuration_silent',
    comment: 'v1.0 waits unless told otherwise; to v0.3 that must be said.',
    body: {
      jsonrpc: '2.0',
      id: 7,
      method: 'SendMessage',
      params: {
        message: { role: 'ROLE_USER', messageId: 'm-1', parts: [{ text: 'hi' }] },
        configuration: { historyLength: 1 },
      },
    },
    canonical: {
      method: 'message/send',
      params: {
        message: { kind: 'message', role: 'user', messageId: 'm-1', parts: [text('hi')] },
        configuration: { blocking: true, historyLength: 1 },
      },
    },
  },
  {
    ...V10,
    key: 'v1_0_unknown_method',
    comment: 'A method nobody here knows passes through.',
    body: { jsonrpc: '2.0', id: 7, method: 'GetExtendedAgentCard', params: { tenant: 'a' } },
    canonical: { method: 'GetExtendedAgentCard', params: { tenant: 'a' } },
  },
];

const ANY = { date: DATE, provenance: 'chapter 20 §2; client mistakes seen in the field' };
const rejected = (key: string, comment: string, message: unknown, error: string): InvalidEntry => ({
  ...ANY,
  key,
  comment,
  raw: JSON.stringify(send(message)),
  error,
  isRpcError: true,
});
const unreadable = (key: string, comment: string, raw: string): InvalidEntry => ({
  ...ANY,
  key,
  comment,
  raw,
  error: 'invalid JSON',
  isRpcError: false,
});

export const INVALID_PAYLOADS: readonly InvalidEntry[] = [
  rejected('no_content_or_parts', 'A message that says nothing.', { role: 'user' }, 'parts'),
  rejected('content_is_integer', 'Content of another type.', { role: 'user', content: 42 }, 'content'),
  rejected('content_is_bool', 'Content of another type.', { role: 'user', content: true }, 'content'),
  rejected('content_is_object', 'Content of another type.', { role: 'user', content: {} }, 'content'),
  rejected('content_is_null', 'Content of another type.', { role: 'user', content: null }, 'content'),
  rejected('parts_is_string', 'Parts of another type.', { role: 'user', parts: 'hi' }, 'parts'),
  rejected('parts_is_object', 'Parts of another type.', { role: 'user', parts: {} }, 'parts'),
  rejected('parts_empty', 'No part at all.', { role: 'user', parts: [] }, 'parts'),
  rejected('content_empty_list', 'No part at all, under the old name.', { role: 'user', content: [] }, 'parts'),
  rejected('message_not_object', 'A text where a message belongs.', 'hi', 'message'),
  rejected(
    'message_id_too_long',
    'An id no receipt could name.',
    { role: 'user', messageId: 'm'.repeat(201), parts: [text('hi')] },
    'params.message.messageId',
  ),
  unreadable('truncated_json', 'Cut off on the way.', '{"jsonrpc":"2.0","method":"message/se'),
  unreadable('not_json', 'Words.', 'not json'),
  unreadable('empty', 'Nothing.', ''),
  unreadable('whitespace', 'Nothing but space.', ' \n\t '),
  unreadable(
    'top_level_array',
    'A batch, which A2A does not have.',
    JSON.stringify([send(user({ parts: [text('hi')] }))]),
  ),
  unreadable('top_level_null', 'JSON, but no object.', 'null'),
  unreadable('top_level_number', 'JSON, but no object.', '42'),
  unreadable(
    'too_deep',
    'Nested beyond what can be written again.',
    `{"method":"message/send","params":${'['.repeat(10_000)}${']'.repeat(10_000)}}`,
  ),
];
