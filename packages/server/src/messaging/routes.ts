// HTTP of messaging: the A2A entry and the queue. Hot path: the body stays bytes, the reply is written past the serializer.

import { messagingRoutes, uuid } from '@molecule/contract';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Database } from '../platform/db/index.ts';
import { notFound, type PlatformError } from '../platform/errors.ts';
import { type Authorize, answer, HANDLED, mount } from '../platform/http.ts';
import { isAdmin, type Principal } from '../platform/principal.ts';
import type { Caller, ProxyOutcome } from './call.ts';
import type { QueueRow } from './lifecycle.ts';
import { delegationIdOf, messageOf } from './normalize.ts';
import type { A2aProxy } from './proxy.ts';
import type { QueueOutcomes } from './queue-outcomes.ts';
import * as store from './store.ts';
import { type Connection, interruptedFrame, type Resumed, type Streams } from './streams/index.ts';

const STALE_BATCH = 200;

/** The bearer is authoritative; an operator may name a workspace to act as (chapter 20 §1.2). */
export function callerOf(principal: Principal, request: FastifyRequest): Caller {
  if (principal.kind === 'workspace') return { workspaceId: principal.workspaceId, origin: null };
  const named = request.headers['x-workspace-id'];
  return { workspaceId: typeof named === 'string' && named !== '' ? named.toLowerCase() : null, origin: null };
}

function timeoutOf(request: FastifyRequest): number | null {
  const given = request.headers['x-timeout'];
  return typeof given === 'string' && /^\d+$/.test(given) && Number(given) > 0 ? Number(given) : null;
}

function headerOf({ headers }: FastifyRequest, name: string): string | undefined {
  const given = headers[name];
  return typeof given === 'string' && given !== '' ? given : undefined;
}

function traceHeadersOf(request: FastifyRequest): Record<string, string> {
  return Object.fromEntries(
    (['traceparent', 'tracestate'] as const).flatMap((name) =>
      typeof request.headers[name] === 'string' ? [[name, request.headers[name] as string]] : [],
    ),
  );
}

/** Security headers were set on the reply by hooks; a hijacked reply must carry them itself. */
function begin(reply: FastifyReply, status: number, headers: Record<string, string | number>): void {
  reply.hijack();
  // The client may be gone before its answer: nothing is owed to it, and nothing may break.
  reply.raw.on('error', () => {});
  reply.raw.writeHead(status, Object.assign(reply.getHeaders() as Record<string, string>, headers));
}

function openStream(reply: FastifyReply): Connection {
  begin(reply, 200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache', 'x-accel-buffering': 'no' });
  reply.raw.flushHeaders();
  return {
    write: (text) => reply.raw.write(text),
    isGone: () => reply.raw.destroyed,
    drop: () => reply.raw.destroy(),
    onDrain(resume) {
      const goOn = () => {
        reply.raw.off('drain', goOn);
        reply.raw.off('close', goOn);
        resume();
      };
      reply.raw.once('drain', goOn);
      reply.raw.once('close', goOn);
    },
  };
}

function sendBytes(reply: FastifyReply, status: number, body: Buffer): void {
  begin(reply, status, { 'content-type': 'application/json', 'content-length': body.length });
  reply.raw.end(body);
}

type Streamed = Extract<ProxyOutcome, { kind: 'streamed' }>;

const interrupted = ({ normalized }: Streamed) => interruptedFrame(normalized.body.id);

function endStream(reply: FastifyReply, outcome: Streamed): void {
  if (outcome.broken) reply.raw.write(`data: ${JSON.stringify(interrupted(outcome))}\n\n`);
  reply.raw.end();
}

async function sendResumed(reply: FastifyReply, resumed: Resumed) {
  if (resumed.kind === 'refused') sendBytes(reply, 200, Buffer.from(JSON.stringify(resumed.body)));
  else {
    // Cut short by an error of ours, it ends without a last frame, and its reader comes back.
    await resumed.run(openStream(reply)).finally(() => reply.raw.end());
  }
  return HANDLED;
}

function sendFrame(reply: FastifyReply, frame: unknown): void {
  openStream(reply);
  reply.raw.end(`data: ${JSON.stringify(frame)}\n\n`);
}

/** `mode`: the caller reads JSON, would take a stream, or is reading one. */
function sendOutcome(reply: FastifyReply, outcome: ProxyOutcome, mode: 'json' | 'stream' | 'streaming') {
  switch (outcome.kind) {
    case 'answered':
      sendBytes(reply, outcome.status, outcome.body);
      return HANDLED;
    case 'streamed': {
      if (mode === 'streaming') endStream(reply, outcome);
      else {
        const whole = outcome.broken ? interrupted(outcome) : outcome.translation.toCaller(outcome.reply);
        // A stream that was not opened is the repeat of one: its end, in one frame.
        if (mode === 'stream') sendFrame(reply, whole);
        else sendBytes(reply, 200, Buffer.from(JSON.stringify(whole)));
      }
      return HANDLED;
    }
    case 'queued':
      return answer(202, outcome.body);
    case 'inbox':
      return answer(200, outcome.body);
    case 'rejected':
      return answer(400, outcome.body as never);
    case 'busy':
    case 'failed':
      throw outcome.error satisfies PlatformError;
  }
}

function toItem(row: QueueRow, responseBody: unknown) {
  return {
    queue_id: row.id,
    workspace_id: row.workspace_id,
    caller_id: row.caller_id,
    status: row.status as 'queued',
    priority: row.priority,
    method: row.method,
    attempts: row.attempts,
    last_error: row.last_error,
    enqueued_at: row.enqueued_at,
    dispatched_at: row.dispatched_at?.toISOString() ?? null,
    completed_at: row.completed_at?.toISOString() ?? null,
    expires_at: row.expires_at?.toISOString() ?? null,
    accepted_at: row.enqueued_at,
    injected_at: row.injected_at?.toISOString() ?? null,
    answered_at: row.answered_at?.toISOString() ?? null,
    ...(responseBody === undefined ? {} : { response_body: responseBody }),
  };
}

export function mountMessagingRoutes(
  app: FastifyInstance,
  authorize: Authorize,
  deps: { db: Database; run: A2aProxy['run']; outcomes: QueueOutcomes; streams: Streams },
): void {
  const { db, run, outcomes, streams } = deps;

  /** Every reason not to show it looks the same. */
  async function findVisible(workspaceId: string, queueId: string, principal: Principal): Promise<QueueRow> {
    const row =
      uuid.safeParse(queueId).success && uuid.safeParse(workspaceId).success
        ? await store.findItem(db.kysely, queueId)
        : null;
    const named = row !== null && (row.workspace_id === workspaceId || row.caller_id === workspaceId);
    const own =
      row !== null &&
      principal.kind === 'workspace' &&
      [row.workspace_id, row.caller_id].includes(principal.workspaceId);
    if (!row || !named || !(own || isAdmin(principal))) throw notFound('queue item');
    return row;
  }

  mount(
    app,
    messagingRoutes,
    {
      sendA2a: async ({ params, body, principal, request, reply }) => {
        let streaming = false;
        const wantsStream = (request.headers.accept ?? '').includes('text/event-stream');
        const asked = {
          targetId: params.id,
          body: Buffer.isBuffer(body) ? body : Buffer.alloc(0),
          caller: callerOf(principal, request),
          versionHeader: headerOf(request, 'a2a-version'),
          idempotencyKey: headerOf(request, 'idempotency-key'),
        };
        const lastEventId = headerOf(request, 'last-event-id');
        const resumed = wantsStream ? await streams.resume({ ...asked, lastEventId }) : null;
        if (resumed) return await sendResumed(reply, resumed);
        const outcome = await run({
          ...asked,
          timeoutSeconds: timeoutOf(request),
          traceHeaders: traceHeadersOf(request),
          enqueueOnBusy: true,
          logActivity: true,
          ...(wantsStream
            ? {
                openStream: (attempt, fold) => {
                  streaming = true;
                  return streams.begin(attempt, fold, openStream(reply));
                },
              }
            : {}),
        });
        return sendOutcome(reply, outcome, streaming ? 'streaming' : wantsStream ? 'stream' : 'json');
      },
      getQueueItem: async ({ params, principal }) => {
        const row = await findVisible(params.id, params.queueId, principal);
        const message = messageOf(row.body as Record<string, unknown>);
        const delegationId = row.status === 'completed' && row.caller_id ? delegationIdOf(message) : null;
        return toItem(
          row,
          delegationId && row.caller_id
            ? await store.findDelegationReply(db.kysely, row.caller_id, delegationId)
            : undefined,
        );
      },
      dropStaleQueueItems: async ({ query }) => {
        let dropped = 0;
        for (;;) {
          const stale = await store.listStale(
            db.kysely,
            query.max_age_minutes,
            query.workspace_id ?? null,
            STALE_BATCH,
          );
          if (stale.length === 0) break;
          const reason = `dropped: older than ${query.max_age_minutes} minutes`;
          dropped += await outcomes.drop(stale, reason, { keepEarlierError: true });
        }
        return { dropped };
      },
    },
    authorize,
  );
}
