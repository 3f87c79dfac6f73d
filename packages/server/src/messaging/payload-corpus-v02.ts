// The entries of the payload corpus in the words A2A had before v0.3 (chapter 20 §2). For tests only.

import { DATE, GENERATED, send, text, user, type ValidEntry } from './payload-corpus-entry.ts';

const V02 = {
  version: '0.2',
  date: DATE,
  provenance: 'clients of A2A v0.2 and scripts written against its examples',
} as const;

export const V02_PAYLOADS: readonly ValidEntry[] = [
  {
    ...V02,
    key: 'v0_2_string_content',
    comment: 'A text in `content`: once answered with 200 and dropped by the receiver.',
    body: send(user({ content: 'hi' })),
    canonical: { method: 'message/send', params: { message: user({ parts: [text('hi')] }) } },
  },
  {
    ...V02,
    key: 'v0_2_string_content_no_message_id',
    comment: 'The same without an id of its own.',
    body: send({ role: 'user', content: 'hi' }),
    canonical: {
      method: 'message/send',
      params: { message: { role: 'user', messageId: GENERATED, parts: [text('hi')] } },
    },
  },
  {
    ...V02,
    key: 'v0_2_string_content_empty',
    comment: 'An empty text is a text.',
    body: send(user({ content: '' })),
    canonical: { method: 'message/send', params: { message: user({ parts: [text('')] }) } },
  },
  {
    ...V02,
    key: 'v0_2_list_content',
    comment: 'Parts under their old name.',
    body: send(user({ content: [text('one'), text('two')] })),
    canonical: { method: 'message/send', params: { message: user({ parts: [text('one'), text('two')] }) } },
  },
  {
    ...V02,
    key: 'v0_2_list_content_strings',
    comment: 'Bare texts in the list.',
    body: send(user({ content: ['one', text('two')] })),
    canonical: { method: 'message/send', params: { message: user({ parts: [text('one'), text('two')] }) } },
  },
  {
    ...V02,
    key: 'v0_2_tasks_send',
    comment: 'A task begun in a session by an id of the client’s own, as v0.1 did.',
    body: {
      jsonrpc: '2.0',
      id: 'request-1',
      method: 'tasks/send',
      params: {
        id: 'task-1',
        sessionId: 'session-1',
        message: { role: 'user', parts: [{ type: 'text', text: 'hi' }] },
        acceptedOutputModes: ['text'],
        historyLength: 2,
        pushNotification: { url: 'https://hook.example/x' },
        metadata: { purpose: 'test' },
      },
    },
    canonical: {
      method: 'message/send',
      params: {
        message: {
          role: 'user',
          contextId: 'session-1',
          messageId: GENERATED,
          parts: [{ type: 'text', text: 'hi', kind: 'text' }],
        },
        configuration: {
          blocking: true,
          acceptedOutputModes: ['text'],
          historyLength: 2,
          pushNotificationConfig: { url: 'https://hook.example/x' },
        },
        metadata: { purpose: 'test' },
      },
    },
  },
  {
    ...V02,
    key: 'v0_2_tasks_send_subscribe',
    comment: 'The same as a stream, without a session.',
    body: {
      jsonrpc: '2.0',
      id: 'request-1',
      method: 'tasks/sendSubscribe',
      params: { id: 'task-1', message: user({ parts: [{ type: 'text', text: 'hi' }] }) },
    },
    canonical: {
      method: 'message/stream',
      params: {
        message: user({ parts: [{ type: 'text', text: 'hi', kind: 'text' }] }),
        configuration: { blocking: true },
      },
    },
  },
  {
    ...V02,
    key: 'v0_2_message_send_subscribe',
    comment: 'The new noun with the old verb, in scripts of the time between.',
    body: { ...send(user({ parts: [text('hi')] })), method: 'message/sendSubscribe' },
    canonical: { method: 'message/stream', params: { message: user({ parts: [text('hi')] }) } },
  },
  {
    ...V02,
    key: 'v0_2_push_set',
    comment: 'The one config of a task goes by the task’s id.',
    body: {
      jsonrpc: '2.0',
      id: 'request-1',
      method: 'tasks/pushNotification/set',
      params: { id: 'task-1', pushNotificationConfig: { url: 'https://hook.example/x', token: 't' } },
    },
    canonical: {
      method: 'tasks/pushNotificationConfig/set',
      params: {
        taskId: 'task-1',
        pushNotificationConfig: { id: 'task-1', url: 'https://hook.example/x', token: 't' },
      },
    },
  },
  {
    ...V02,
    key: 'v0_2_push_get',
    comment: 'And is asked for by it.',
    body: { jsonrpc: '2.0', id: 'request-1', method: 'tasks/pushNotification/get', params: { id: 'task-1' } },
    canonical: {
      method: 'tasks/pushNotificationConfig/get',
      params: { id: 'task-1', pushNotificationConfigId: 'task-1' },
    },
  },
];
