// The messages wire (`/v1/messages`) of Anthropic.

import {
  asList,
  cutInTwo,
  eventFrame,
  type Json,
  type ModelChatEntry,
  type OutgoingReply,
  textOf,
  type Wire,
} from './wire.ts';

/** A user message may carry text and tool results at once; each becomes an entry of its own. */
function readEntries(message: Json): ModelChatEntry[] {
  const blocks = typeof message.content === 'string' ? [] : asList(message.content);
  const results = blocks
    .filter((block) => block.type === 'tool_result')
    .map(
      (block): ModelChatEntry => ({
        role: 'tool',
        text: textOf(block.content),
        toolCalls: [],
        toolCallId: String(block.tool_use_id),
      }),
    );
  const toolCalls = blocks
    .filter((block) => block.type === 'tool_use')
    .map((block) => ({ id: String(block.id), name: String(block.name), input: block.input }));
  const text = textOf(message.content);
  if (results.length > 0 && text === '') return results;
  return [...results, { role: message.role === 'assistant' ? 'assistant' : 'user', text, toolCalls, toolCallId: null }];
}

function stopOf({ finish, toolCalls }: OutgoingReply): string {
  if (finish !== null) return finish === 'length' ? 'max_tokens' : 'refusal';
  return toolCalls.length > 0 ? 'tool_use' : 'end_turn';
}

const headOf = ({ id, model, usage }: OutgoingReply) => ({
  id,
  type: 'message',
  role: 'assistant',
  model,
  content: [] as Json[],
  stop_reason: null as string | null,
  stop_sequence: null,
  usage: { input_tokens: usage.input, output_tokens: 0 },
});

export const messagesWire: Wire = {
  name: 'messages',
  path: '/v1/messages',
  read: (body) => ({
    model: String(body.model),
    stream: body.stream === true,
    system: textOf(body.system),
    messages: asList(body.messages).flatMap(readEntries),
    tools: asList(body.tools).map((tool) => String(tool.name)),
  }),
  async *encodeStream(reply) {
    yield eventFrame({ type: 'message_start', message: headOf(reply) });
    let index = 0;
    let hasText = false;
    for await (const text of reply.text) {
      if (!hasText) yield eventFrame({ type: 'content_block_start', index, content_block: { type: 'text', text: '' } });
      hasText = true;
      yield eventFrame({ type: 'content_block_delta', index, delta: { type: 'text_delta', text } });
    }
    if (reply.brokenBy) {
      yield eventFrame({ type: 'error', error: reply.brokenBy });
      return;
    }
    if (hasText) yield eventFrame({ type: 'content_block_stop', index: index++ });
    for (const { id, name, input } of reply.toolCalls) {
      yield eventFrame({
        type: 'content_block_start',
        index,
        content_block: { type: 'tool_use', id, name, input: {} },
      });
      for (const json of cutInTwo(JSON.stringify(input)))
        yield eventFrame({
          type: 'content_block_delta',
          index,
          delta: { type: 'input_json_delta', partial_json: json },
        });
      yield eventFrame({ type: 'content_block_stop', index: index++ });
    }
    yield eventFrame({
      type: 'message_delta',
      delta: { stop_reason: stopOf(reply), stop_sequence: null },
      usage: { output_tokens: reply.usage.output },
    });
    yield eventFrame({ type: 'message_stop' });
  },
  encodeWhole: (reply, text) => ({
    ...headOf(reply),
    content: [
      ...(text === '' ? [] : [{ type: 'text', text }]),
      ...reply.toolCalls.map(({ id, name, input }) => ({ type: 'tool_use', id, name, input })),
    ],
    stop_reason: stopOf(reply),
    usage: { input_tokens: reply.usage.input, output_tokens: reply.usage.output },
  }),
  encodeError: (_status, type, message) => ({ type: 'error', error: { type, message } }),
};
