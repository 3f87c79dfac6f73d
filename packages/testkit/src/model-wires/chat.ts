// The chat completions wire (`/v1/chat/completions`), which most providers speak.

import {
  asList,
  cutInTwo,
  dataFrame,
  type Json,
  type ModelChatEntry,
  type OutgoingReply,
  parseJson,
  textOf,
  type Wire,
} from './wire.ts';

function readEntry(message: Json): ModelChatEntry {
  const calls = asList(message.tool_calls).map((call) => {
    const { name, arguments: given } = call.function as { name: string; arguments: string };
    return { id: String(call.id), name, input: parseJson(given) };
  });
  return {
    role: message.role === 'assistant' || message.role === 'tool' ? message.role : 'user',
    text: textOf(message.content),
    toolCalls: calls,
    toolCallId: typeof message.tool_call_id === 'string' ? message.tool_call_id : null,
  };
}

const isSystem = (message: Json) => message.role === 'system' || message.role === 'developer';

function finishOf({ finish, toolCalls }: OutgoingReply): string {
  if (finish !== null) return finish === 'length' ? 'length' : 'content_filter';
  return toolCalls.length > 0 ? 'tool_calls' : 'stop';
}

const usageOf = ({ usage }: OutgoingReply) => ({
  prompt_tokens: usage.input,
  completion_tokens: usage.output,
  total_tokens: usage.input + usage.output,
});

export const chatWire: Wire = {
  name: 'chat',
  path: '/v1/chat/completions',
  read(body) {
    const messages = asList(body.messages);
    return {
      model: String(body.model),
      stream: body.stream === true,
      system: messages
        .filter(isSystem)
        .map((message) => textOf(message.content))
        .join('\n'),
      messages: messages.filter((message) => !isSystem(message)).map(readEntry),
      tools: asList(body.tools).map((tool) => String((tool.function as Json).name)),
    };
  },
  async *encodeStream(reply, request) {
    const head = { id: reply.id, object: 'chat.completion.chunk', created: 0, model: reply.model };
    const chunk = (delta: Json, finish: string | null = null) =>
      dataFrame({ ...head, choices: [{ index: 0, delta, finish_reason: finish }] });
    yield chunk({ role: 'assistant', content: '' });
    for await (const piece of reply.text) yield chunk({ content: piece });
    if (reply.brokenBy) {
      yield dataFrame({
        error: { message: reply.brokenBy.message, type: reply.brokenBy.type, code: null, param: null },
      });
      return;
    }
    for (const [index, call] of reply.toolCalls.entries()) {
      const first = { index, id: call.id, type: 'function', function: { name: call.name, arguments: '' } };
      yield chunk({ tool_calls: [first] });
      for (const piece of cutInTwo(JSON.stringify(call.input)))
        yield chunk({ tool_calls: [{ index, function: { arguments: piece } }] });
    }
    yield chunk({}, finishOf(reply));
    const asked = (request.stream_options as Json | undefined)?.include_usage === true;
    if (asked) yield dataFrame({ ...head, choices: [], usage: usageOf(reply) });
    yield 'data: [DONE]\n\n';
  },
  encodeWhole(reply, text) {
    const toolCalls = reply.toolCalls.map(({ id, name, input }) => ({
      id,
      type: 'function',
      function: { name, arguments: JSON.stringify(input) },
    }));
    return {
      id: reply.id,
      object: 'chat.completion',
      created: 0,
      model: reply.model,
      choices: [
        {
          index: 0,
          message: {
            role: 'assistant',
            content: text === '' ? null : text,
            ...(toolCalls.length > 0 ? { tool_calls: toolCalls } : {}),
          },
          finish_reason: finishOf(reply),
        },
      ],
      usage: usageOf(reply),
    };
  },
  encodeError: (status, type, message) => ({ error: { message, type, param: null, code: String(status) } }),
};
