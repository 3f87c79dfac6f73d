// One call to an agent: undici's `dispatch` with handlers of our own, which costs a quarter less than `request` and lets
// stream frames through with back-pressure. Knows nothing of queues, callers or logs; says only what happened.

import type { Dispatcher } from 'undici';
import { type Deadline, startDeadline } from '../platform/deadline.ts';
import type { Judged } from '../platform/outbound/index.ts';

const MOST_REPLY_BYTES = 10 * 1024 * 1024;

export interface DispatchRequest {
  judged: Judged;
  dispatcher: Dispatcher;
  body: Buffer;
  headers: Record<string, string>;
  /** Longest silence before the reply's headers, and after them, in milliseconds. */
  headerSilenceMs: number;
  idleMs: number;
  ceilingMs: number | null;
  /** Subscribes to the target's events; each is a sign of life. @returns the end of the subscription. */
  watch(onSign: () => void): () => void;
  /** Takes the frames of an event stream as they come; absent: the stream is gathered like a body. */
  onStream?: () => StreamSink;
}

export interface StreamSink {
  /** @returns false when the reader is full: no more until `onDrain` calls back. */
  write(chunk: Buffer): boolean;
  onDrain(resume: () => void): void;
}

export type DispatchResult =
  | { kind: 'reply'; status: number; body: Buffer }
  /** All frames went to the sink. `broken`: the agent ended it early. */
  | { kind: 'streamed'; status: number; broken: boolean }
  | { kind: 'too_large'; status: number }
  | { kind: 'body_failed'; status: number }
  /** Deadline, idle abort, reset or early end: the agent may well be working on it. */
  | { kind: 'silent'; error: Error }
  /** The platform is stopping and gave up the wait. */
  | { kind: 'stopped' }
  | { kind: 'unreachable'; error: Error }
  | { kind: 'not_built'; error: Error };

const RESET_CODES = new Set([
  'ECONNRESET',
  'EPIPE',
  'UND_ERR_SOCKET',
  'UND_ERR_ABORTED',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
]);

class DeadlineError extends Error {}
class StoppedError extends Error {}

function classify(error: Error): DispatchResult {
  const code = (error as { code?: string }).code ?? '';
  if (error instanceof StoppedError) return { kind: 'stopped' };
  if (error instanceof DeadlineError || RESET_CODES.has(code)) return { kind: 'silent', error };
  if (code.startsWith('UND_ERR_INVALID') || error instanceof TypeError) return { kind: 'not_built', error };
  return { kind: 'unreachable', error };
}

/** The state of one call; its methods are undici's callbacks. */
class Exchange {
  private readonly request: DispatchRequest;
  private readonly resolve: (result: DispatchResult) => void;
  private readonly deadline: Deadline;
  private readonly unwatch: () => void;
  private controller: Dispatcher.DispatchController | null = null;
  private status = 0;
  private chunks: Buffer[] = [];
  private size = 0;
  private sink: StreamSink | null = null;
  private settled = false;

  constructor(request: DispatchRequest, resolve: (result: DispatchResult) => void) {
    this.request = request;
    this.resolve = resolve;
    this.deadline = startDeadline({
      silenceMs: request.headerSilenceMs,
      ceilingMs: request.ceilingMs,
      onExpire: (reason) =>
        this.abort(
          new DeadlineError(reason === 'ceiling' ? 'the call took too long' : 'the agent was silent for too long'),
        ),
    });
    this.unwatch = request.watch(() => this.deadline.touch());
  }

  private abort(error: Error): void {
    // First the result: undici reports the abort back as an error of its own.
    this.fail(error);
    this.controller?.abort(error);
  }

  stop(): void {
    this.abort(new StoppedError('the platform is stopping'));
  }

  private settle(result: DispatchResult): void {
    if (this.settled) return;
    this.settled = true;
    this.deadline.cancel();
    this.unwatch();
    this.resolve(result);
  }

  private fail(error: Error): void {
    if (this.sink) this.settle({ kind: 'streamed', status: this.status, broken: true });
    else if (this.status > 0) this.settle({ kind: 'body_failed', status: this.status });
    else this.settle(classify(error));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    if (this.settled) controller.abort(new DeadlineError('the call is over'));
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (status < 200) return;
    this.status = status;
    this.deadline.extend(this.request.idleMs);
    const isStream = status < 400 && String(headers['content-type'] ?? '').includes('text/event-stream');
    if (isStream && this.request.onStream) this.sink = this.request.onStream();
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.deadline.touch();
    if (this.sink) {
      if (this.sink.write(chunk)) return;
      // Held up by its reader, the agent is not to blame for the silence.
      controller.pause();
      this.deadline.extend(Number.POSITIVE_INFINITY);
      this.sink.onDrain(() => {
        this.deadline.extend(this.request.idleMs);
        controller.resume();
      });
      return;
    }
    this.size += chunk.length;
    if (this.size > MOST_REPLY_BYTES) {
      this.settle({ kind: 'too_large', status: this.status });
      controller.abort(new Error('the reply is too large'));
      return;
    }
    this.chunks.push(chunk);
  }

  onResponseEnd(): void {
    if (this.sink) this.settle({ kind: 'streamed', status: this.status, broken: false });
    else
      this.settle({
        kind: 'reply',
        status: this.status,
        body: this.chunks.length === 1 ? (this.chunks[0] as Buffer) : Buffer.concat(this.chunks),
      });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.fail(error);
  }

  refuse(error: Error): void {
    this.settle({ kind: 'not_built', error });
  }
}

export interface OpenCall {
  /** Where its owner keeps it. */
  place: number;
  /** Never rejects: every end of a call is a result. */
  result: Promise<DispatchResult>;
  /** Gives up the wait for the agent. */
  stop(): void;
}

export function dispatchToAgent(request: DispatchRequest): OpenCall {
  const { promise, resolve } = Promise.withResolvers<DispatchResult>();
  const exchange = new Exchange(request, resolve);
  const { url } = request.judged;
  try {
    request.dispatcher.dispatch(
      {
        origin: url.origin,
        path: url.pathname + url.search,
        method: 'POST',
        headers: request.headers,
        body: request.body,
      },
      exchange as unknown as Dispatcher.DispatchHandler,
    );
  } catch (error) {
    exchange.refuse(error as Error);
  }
  return { place: -1, result: promise, stop: () => exchange.stop() };
}
