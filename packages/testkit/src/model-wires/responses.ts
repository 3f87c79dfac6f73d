// The responses wire (`/v1/responses`) of OpenAI.

import {
  asList,
  cutInTwo,
  eventFrame,
  type Json,
  type ModelChatEntry,
  type OutgoingReply,
  parseJson,
  textOf,
  type Wire,
} from './wire.ts';

function readEntry(item: Json): ModelChatEntry[] {
  if (item.type === 'function_call') {
    const call = { id: String(item.call_id), name: String(item.name), input: parseJson(item.arguments) };
    return [{ role: 'assistant', text: '', toolCalls: [call], toolCallId: null }];
  }
  if (item.type === 'function_call_output')
    return [{ role: 'tool', text: textOf(item.output), toolCalls: [], toolCallId: String(item.call_id) }];
  if (item.role === undefined) return [];
  return [
    {
      role: item.role === 'assistant' ? 'assistant' : 'user',
      text: textOf(item.content),
      toolCalls: [],
      toolCallId: null,
    },
  ];
}

const isSystem = (item: Json) => item.role === 'system' || item.role === 'developer';

const messageItem = (reply: OutgoingReply, text: string | null) => ({
  id: `msg_${reply.id}`,
  type: 'message',
  role: 'assistant',
  status: text === null ? 'in_progress' : 'completed',
  content: text === null ? [] : [{ type: 'output_text', text, annotations: [] }],
});

const callItem = (id: string, name: string, input: string, status: string) => ({
  id: `fc_${id}`,
  type: 'function_call',
  call_id: id,
  name,
  arguments: input,
  status,
});

function whole(reply: OutgoingReply, output: Json[]) {
  const isCut = reply.finish !== null;
  return {
    id: reply.id,
    object: 'response',
    created_at: 0,
    model: reply.model,
    status: isCut ? 'incomplete' : 'completed',
    incomplete_details: isCut ? { reason: reply.finish === 'length' ? 'max_output_tokens' : 'content_filter' } : null,
    error: null,
    output,
    usage: {
      input_tokens: reply.usage.input,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: reply.usage.output,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: reply.usage.input + reply.usage.output,
    },
  };
}

export const responsesWire: Wire = {
  name: 'responses',
  path: '/v1/responses',
  read(body) {
    const items = typeof body.input === 'string' ? [{ role: 'user', content: body.input } as Json] : asList(body.input);
    const system = [
      ...(typeof body.instructions === 'string' ? [body.instructions] : []),
      ...items.filter(isSystem).map((item) => textOf(item.content)),
    ];
    return {
      model: String(body.model),
      stream: body.stream === true,
      system: system.join('\n'),
      messages: items.filter((item) => !isSystem(item)).flatMap(readEntry),
      tools: asList(body.tools).map((tool) => String(tool.name)),
    };
  },
  async *encodeStream(reply) {
    let number = 0;
    const event = (type: string, data: Json) => eventFrame({ type, sequence_number: number++, ...data });
    const started = { ...whole({ ...reply, finish: null }, []), status: 'in_progress', usage: null };
    const output: Json[] = [];
    yield event('response.created', { response: started });
    let text: string | null = null;
    const place = { item_id: `msg_${reply.id}`, output_index: 0, content_index: 0 };
    const part = { type: 'output_text', annotations: [] };
    for await (const delta of reply.text) {
      if (text === null) {
        yield event('response.output_item.added', { output_index: 0, item: messageItem(reply, null) });
        yield event('response.content_part.added', { ...place, part: { ...part, text: '' } });
      }
      text = (text ?? '') + delta;
      yield event('response.output_text.delta', { ...place, delta });
    }
    if (reply.brokenBy) {
      const error = { code: reply.brokenBy.type, message: reply.brokenBy.message };
      yield event('response.failed', { response: { ...started, status: 'failed', error } });
      return;
    }
    if (text !== null) {
      yield event('response.output_text.done', { ...place, text });
      yield event('response.content_part.done', { ...place, part: { ...part, text } });
      output.push(messageItem(reply, text));
      yield event('response.output_item.done', { output_index: 0, item: output[0] });
    }
    for (const { id, name, input } of reply.toolCalls) {
      const at = { item_id: `fc_${id}`, output_index: output.length };
      const json = JSON.stringify(input);
      yield event('response.output_item.added', {
        output_index: at.output_index,
        item: callItem(id, name, '', 'in_progress'),
      });
      for (const delta of cutInTwo(json)) yield event('response.function_call_arguments.delta', { ...at, delta });
      yield event('response.function_call_arguments.done', { ...at, arguments: json });
      const item = callItem(id, name, json, 'completed');
      yield event('response.output_item.done', { output_index: at.output_index, item });
      output.push(item);
    }
    const type = reply.finish === null ? 'response.completed' : 'response.incomplete';
    yield event(type, { response: whole(reply, output) });
  },
  encodeWhole: (reply, text) =>
    whole(reply, [
      ...(text === '' ? [] : [messageItem(reply, text)]),
      ...reply.toolCalls.map(({ id, name, input }) => callItem(id, name, JSON.stringify(input), 'completed')),
    ]),
  encodeError: (status, type, message) => ({ error: { message, type, param: null, code: String(status) } }),
};
