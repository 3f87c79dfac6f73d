// One turn over the model: the tool loop of the AI SDK, spoken through the runtime's own shapes.

import type { LanguageModel, ModelMessage, ToolSet } from 'ai';
import type { ToolSpec } from '../../tools/tool.ts';
import { AgentError, isOverloaded } from '../../turn/failure.ts';
import type { AdapterContext, Emit, Executor, Turn, TurnResult } from '../adapter.ts';

type Sdk = typeof import('ai');

export interface ExecutorSettings {
  sdk: Sdk;
  model: LanguageModel;
  context: AdapterContext;
  /** Model calls of one turn. */
  mostSteps: number;
}

function toMessages({ history, text, files, delegationResults }: Turn): ModelMessage[] {
  const attached = files.map(
    ({ name, mimeType, uri }) =>
      `- ${name} (${mimeType ?? 'unknown type'}) at ${uri.replace(/^(workspace:|file:\/\/)/, '')}`,
  );
  const content = [
    text,
    ...(attached.length > 0 ? [`Attached files:\n${attached.join('\n')}`] : []),
    ...(delegationResults ? [delegationResults] : []),
  ].join('\n\n');
  return [
    ...history.map(
      (entry): ModelMessage =>
        entry.role === 'agent' ? { role: 'assistant', content: entry.text } : { role: 'user', content: entry.text },
    ),
    { role: 'user', content },
  ];
}

const isOk = (output: unknown) => (output as { ok?: unknown } | null)?.ok !== false;
const asInput = (input: unknown) =>
  typeof input === 'object' && input !== null ? (input as Record<string, unknown>) : {};

function toTool({ sdk, context }: ExecutorSettings, spec: ToolSpec, turn: Turn, emit: Emit, signal: AbortSignal) {
  return sdk.dynamicTool({
    description: `${spec.description} ${spec.whenToUse}`,
    inputSchema: sdk.jsonSchema(spec.inputSchema),
    async execute(given) {
      const input = asInput(given);
      const startedAt = performance.now();
      let output: unknown;
      try {
        output = await spec.run(input, { turnId: turn.id, contextId: turn.contextId, signal });
      } catch (error) {
        if (signal.aborted) throw error;
        context.log.warn({ err: error, tool: spec.name }, 'a tool failed');
        output = { ok: false, error: 'the tool failed' };
      }
      emit.tool({ tool: spec.name, input, output, ms: performance.now() - startedAt, ok: isOk(output) });
      return output;
    },
  });
}

/** A stream that broke off for lack of room may be asked for again; a refused call was, by the fetch. */
function toFailure(error: unknown): unknown {
  const { statusCode } = (error ?? {}) as { statusCode?: unknown };
  if (error instanceof AgentError || !isOverloaded(Number(statusCode))) return error;
  return new AgentError('rate_limited', 'the provider broke off', { cause: error, retryable: true });
}

export function createAiSdkExecutor(settings: ExecutorSettings): Executor {
  const { sdk, model, context, mostSteps } = settings;

  /** Why an answer ends before its end, in the words the person reads; null when it does not. */
  function explainEnd(finishReason: string): string | null {
    switch (finishReason) {
      case 'length':
        return `_(cut off at ${context.maxTokens} tokens)_`;
      case 'tool-calls':
        return `_(stopped after ${mostSteps} steps)_`;
      case 'content-filter':
        return '_(withheld by the provider)_';
      default:
        return null;
    }
  }

  async function run(turn: Turn, emit: Emit, signal: AbortSignal): Promise<TurnResult> {
    const tools: ToolSet = Object.fromEntries(
      context.tools.map((spec) => [spec.name, toTool(settings, spec, turn, emit, signal)]),
    );
    const { stream } = sdk.streamText({
      model,
      instructions: await context.systemPrompt(),
      messages: toMessages(turn),
      tools,
      stopWhen: sdk.isStepCount(mostSteps),
      maxOutputTokens: context.maxTokens,
      // The fetch repeats; the SDK's own repetition knows other pauses.
      maxRetries: 0,
      abortSignal: signal,
      // Else the SDK writes it to the console; the error part below carries the same.
      onError: () => {},
    });
    const result: TurnResult = { text: '' };
    for await (const part of stream) {
      switch (part.type) {
        case 'start-step':
          emit.segment();
          break;
        case 'text-delta':
          emit.text(part.text);
          break;
        case 'error':
          signal.throwIfAborted();
          throw toFailure(part.error);
        case 'abort':
          throw signal.reason;
        case 'finish': {
          const { inputTokens, outputTokens } = part.totalUsage;
          result.usage = { input_tokens: inputTokens ?? 0, output_tokens: outputTokens ?? 0 };
          const end = explainEnd(part.finishReason);
          if (end) {
            emit.segment();
            emit.text(end);
          }
          break;
        }
      }
    }
    return result;
  }

  return { run };
}
