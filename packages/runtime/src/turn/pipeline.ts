// One turn from its ticket to its outcome (chapter 40 §9): results, counting, the adapter, retries, timeout, cancellation.
// Speaks of texts and outcomes only; what they look like on the wire is the a2a folder's business.

import type { AgentConfig, Executor, FilePart, ToolTraceEntry, Turn, TurnResult } from '../adapters/adapter.ts';
import type { ResultsFile } from '../link/results-file.ts';
import { type TaskCounter, toLabel } from '../link/task-counter.ts';
import type { Logger } from '../logger.ts';
import { describeFailure, isRetryable, TurnTimeout, tagOf } from './failure.ts';
import type { Ticket } from './queue.ts';
import { createToolTrace, type ToolTrace } from './trace.ts';

const RETRY_DELAYS_MS = [5_000, 10_000, 20_000];
/** An adapter that ignores its abort signal holds its place no longer than this. */
const ABORT_GRACE_MS = 1_000;
const NO_RESPONSE = '(no response generated)';

export interface TurnOutcome {
  state: 'completed' | 'failed' | 'canceled';
  text: string;
  files: FilePart[];
  toolTrace: ToolTraceEntry[];
  usage: TurnResult['usage'] | null;
}

/** How a running turn is followed. Calls come in order; `finished` is the last. */
export interface TurnObserver {
  working(): void;
  /** `segment` counts the model calls from 0. */
  text(chunk: string, segment: number): void;
  inputRequired(text: string): void;
  finished(outcome: TurnOutcome): void;
}

export interface PipelineDeps {
  config: AgentConfig;
  executor: Executor;
  /** The adapter repeats overloaded calls itself. */
  nativeRetry: boolean;
  taskCounter: TaskCounter;
  resultsFile: ResultsFile;
  clearWedge(): void;
  log: Logger;
  retryDelaysMs?: readonly number[];
}

export type TurnInput = Omit<Turn, 'delegationResults'>;

const asText = (value: unknown): string | null => (typeof value === 'string' && value !== '' ? value : null);

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = () => reject(signal.reason);
    if (signal.aborted) fail();
    else signal.addEventListener('abort', fail, { once: true });
  });
}

/** Waits, unless the turn ends first. */
async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  try {
    await Promise.race([new Promise((resolve) => (timer = setTimeout(resolve, milliseconds))), aborted(signal)]);
  } finally {
    clearTimeout(timer);
  }
}

export function createPipeline(deps: PipelineDeps) {
  const { config, executor, taskCounter, resultsFile, log } = deps;
  const delays = deps.nativeRetry ? [] : (deps.retryDelaysMs ?? RETRY_DELAYS_MS);
  const timeoutSeconds = Number(config.runtimeConfig.timeout ?? 0);

  /** Results of finished delegations; losing them must not lose the turn. */
  async function takeResults(): Promise<string | null> {
    try {
      return await resultsFile.consume();
    } catch (error) {
      log.warn({ err: error }, 'delegation results could not be read');
      return null;
    }
  }

  /** The executor, or the end of patience with one that does not heed its signal. */
  async function runExecutor(
    turn: Turn,
    emit: Parameters<Executor['run']>[1],
    signal: AbortSignal,
  ): Promise<TurnResult> {
    const run = executor.run(turn, emit, signal);
    const impatience = aborted(signal).catch(async (reason: unknown) => {
      executor.cancel?.(turn.id).catch((error: unknown) => log.warn({ err: error }, 'the adapter could not cancel'));
      await new Promise((resolve) => setTimeout(resolve, ABORT_GRACE_MS).unref());
      throw reason;
    });
    impatience.catch(() => undefined);
    return await Promise.race([run, impatience]);
  }

  async function run(
    input: TurnInput,
    observer: TurnObserver,
    trace: ToolTrace,
    signal: AbortSignal,
  ): Promise<TurnOutcome> {
    const turn: Turn = { ...input, delegationResults: await takeResults() };
    let streamed = '';
    let segment = 0;
    const said = () => streamed !== '' || trace.entries().length > 0;
    const emit: Parameters<Executor['run']>[1] = {
      text(chunk) {
        if (chunk === '' || signal.aborted) return;
        streamed += chunk;
        observer.text(chunk, segment);
      },
      status: (text) => observer.inputRequired(text),
      segment() {
        if (streamed !== '') segment += 1;
      },
      tool: trace.add,
    };
    for (let attempt = 0; ; attempt += 1) {
      const delay = delays[attempt];
      try {
        const result = await runExecutor(turn, emit, signal);
        signal.throwIfAborted();
        const isEmpty = result.text.trim() === '' && (result.files ?? []).length === 0;
        if (isEmpty && !said() && delay !== undefined) {
          log.warn({ task: turn.id, attempt }, 'the agent answered nothing; asking again');
          await pause(delay, signal);
          continue;
        }
        return finish(result);
      } catch (error) {
        // What was said or done cannot be taken back, so only a turn without any of it is repeated.
        if (signal.aborted || said() || delay === undefined || !isRetryable(error)) throw error;
        log.warn({ err: error, task: turn.id, attempt }, 'the model is overloaded; trying again');
        await pause(delay, signal);
      }
    }

    function finish(result: TurnResult): TurnOutcome {
      const text = result.text.trim() === '' ? streamed || NO_RESPONSE : result.text;
      // What was streamed and what is final must be one text: a reader of either has the whole answer.
      if (text.startsWith(streamed)) emit.text(text.slice(streamed.length));
      return {
        state: 'completed',
        text: streamed,
        files: result.files ?? [],
        toolTrace: trace.entries(),
        usage: result.usage ?? null,
      };
    }
  }

  /** Never rejects: every end is an outcome, told to the observer. */
  async function runTurn(
    input: TurnInput,
    ticket: Ticket,
    observer: TurnObserver,
    cancel: AbortController,
  ): Promise<void> {
    let endTask: (() => void) | null = null;
    let timer: NodeJS.Timeout | undefined;
    const started = performance.now();
    const trace = createToolTrace();
    let outcome: TurnOutcome;
    try {
      await Promise.race([ticket.ready, aborted(cancel.signal)]);
      observer.working();
      endTask = taskCounter.beginTask({
        label: toLabel(input.text),
        messageId: input.messageId,
        delegationId: asText(input.metadata.delegation_id),
      });
      if (timeoutSeconds > 0)
        timer = setTimeout(
          () => cancel.abort(new TurnTimeout(`no answer within ${timeoutSeconds} s`)),
          timeoutSeconds * 1000,
        );
      outcome = await run(input, observer, trace, cancel.signal);
      taskCounter.recordResult(null);
      deps.clearWedge();
    } catch (error) {
      const toolTrace = trace.entries();
      if (cancel.signal.aborted && !(cancel.signal.reason instanceof TurnTimeout)) {
        outcome = { state: 'canceled', text: 'The turn was canceled.', files: [], toolTrace, usage: null };
      } else {
        const tag = tagOf(cancel.signal.aborted ? cancel.signal.reason : error);
        log.error({ err: error, task: input.id, tag, ms: Math.round(performance.now() - started) }, 'a turn failed');
        taskCounter.recordResult(describeFailure(tag));
        outcome = { state: 'failed', text: describeFailure(tag), files: [], toolTrace, usage: null };
      }
    } finally {
      clearTimeout(timer);
      ticket.leave();
      endTask?.();
    }
    observer.finished(outcome);
  }

  return { runTurn };
}

export type Pipeline = ReturnType<typeof createPipeline>;
