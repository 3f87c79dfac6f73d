// One turn from its ticket to its outcome (chapter 40 §9): results, counting, the adapter, retries, timeout, cancellation.
// Speaks of texts and outcomes only; what they look like on the wire is the a2a folder's business.

import type { AgentConfig, Emit, Executor, FilePart, ToolTraceEntry, Turn, TurnResult } from '../adapters/adapter.ts';
import type { ResultsFile } from '../link/results-file.ts';
import { type TaskCounter, toLabel } from '../link/task-counter.ts';
import type { Logger, Redact } from '../logger.ts';
import { AgentStopping, describeFailure, isRetryable, TurnTimeout, tagOf } from './failure.ts';
import type { Ticket } from './queue.ts';
import { createSpeech, type Speech } from './speech.ts';
import { createToolTrace, type ToolTrace } from './trace.ts';

/** Pauses before a turn is repeated on an overloaded model. */
export const RETRY_DELAYS_MS: readonly number[] = [5_000, 10_000, 20_000];
/** An adapter that ignores its abort signal holds its place no longer than this. */
const ABORT_GRACE_MS = 1_000;
const CANCELED = 'The turn was canceled.';
const STOPPED = 'The agent was stopped before it had finished.';

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
  redact: Redact;
  log: Logger;
  retryDelaysMs: readonly number[];
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
  const delays = deps.nativeRetry ? [] : deps.retryDelaysMs;
  const timeoutSeconds = Number(config.runtimeConfig.timeout ?? 0);

  /** Results of finished delegations; losing them must not lose the turn. */
  function takeResults(): string | null {
    try {
      return resultsFile.consume();
    } catch (error) {
      log.warn({ err: error }, 'delegation results could not be read');
      return null;
    }
  }

  /** The executor, or the end of patience with one that does not heed its signal. */
  async function runExecutor(turn: Turn, emit: Emit, signal: AbortSignal): Promise<TurnResult> {
    const run = (async () => await executor.run(turn, emit, signal))();
    const impatience = aborted(signal).catch(async (reason: unknown) => {
      executor.cancel?.(turn.id).catch((error: unknown) => log.warn({ err: error }, 'the adapter could not cancel'));
      await new Promise((resolve) => setTimeout(resolve, ABORT_GRACE_MS));
      throw reason;
    });
    impatience.catch(() => undefined);
    return await Promise.race([run, impatience]);
  }

  /** Asks the adapter, again while the model is overloaded or says nothing. */
  async function askUntilAnswered(turn: Turn, speech: Speech, signal: AbortSignal): Promise<TurnResult> {
    for (let attempt = 0; ; attempt += 1) {
      const delay = delays[attempt];
      // What was said or done cannot be taken back, so only a turn without any of it is repeated.
      const mayRepeat = () => !signal.aborted && !speech.hasBegun() && delay !== undefined;
      try {
        const result = await runExecutor(turn, speech.emit, signal);
        signal.throwIfAborted();
        const isEmpty = result.text.trim() === '' && (result.files ?? []).length === 0;
        if (!isEmpty || !mayRepeat()) return result;
        log.warn({ task: turn.id, attempt }, 'the agent answered nothing; asking again');
      } catch (error) {
        if (!mayRepeat() || !isRetryable(error)) throw error;
        log.warn({ err: error, task: turn.id, attempt }, 'the model is overloaded; trying again');
      }
      await pause(delay ?? 0, signal);
    }
  }

  async function run(
    input: TurnInput,
    observer: TurnObserver,
    trace: ToolTrace,
    signal: AbortSignal,
  ): Promise<TurnOutcome> {
    const speech = createSpeech(observer, trace, signal);
    const result = await askUntilAnswered({ ...input, delegationResults: takeResults() }, speech, signal);
    const files = result.files ?? [];
    return {
      state: 'completed',
      text: speech.finish(result.text, files.length > 0),
      files,
      toolTrace: trace.entries(),
      usage: result.usage ?? null,
    };
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
    const trace = createToolTrace(deps.redact);
    let outcome: TurnOutcome;
    try {
      await Promise.race([ticket.ready, aborted(cancel.signal)]);
      observer.working();
      endTask = taskCounter.beginTask({
        turnId: input.id,
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
        const text = cancel.signal.reason instanceof AgentStopping ? STOPPED : CANCELED;
        outcome = { state: 'canceled', text, files: [], toolTrace, usage: null };
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
