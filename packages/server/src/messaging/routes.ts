// HTTP of messaging: the A2A entry and the queue. Hot path: the body stays bytes, the reply is written past the serializer.

import { messagingRoutes, uuid } from '@molecule/contract';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Database } from '../platform/db/index.ts';
import { notFound, type PlatformError } from '../platform/errors.ts';
import { type Authorize, answer, HANDLED, mount } from '../platform/http.ts';
import { isAdmin, type Principal } from '../platform/principal.ts';
import type { Caller, ProxyOutcome } from './call.ts';
import type { StreamSink } from './dispatch.ts';
import type { QueueRow } from './lifecycle.ts';
import { delegationIdOf, messageOf } from './normalize.ts';
import type { A2aProxy } from './proxy.ts';
import type { QueueOutcomes } from './queue-outcomes.ts';
import * as store from './store.ts';

const STALE_BATCH = 200;

/** The bearer is authoritative; an operator may name a workspace to act as (chapter 20 §1.2). */
function callerOf(principal: Principal, request: FastifyRequest): Caller {
  if (principal.kind === 'workspace') return { workspaceId: principal.workspaceId, origin: null };
  const named = request.headers['x-workspace-id'];
  return { workspaceId: typeof named === 'string' && named !== '' ? named.toLowerCase() : null, origin: null };
}

function timeoutOf(request: FastifyRequest): number | null {
  const given = request.headers['x-timeout'];
  return typeof given === 'string' && /^\d+$/.test(given) && Number(given) > 0 ? Number(given) : null;
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
  reply.raw.writeHead(status, { ...(reply.getHeaders() as Record<string, string>), ...headers });
}

function openStream(reply: FastifyReply): StreamSink {
  begin(reply, 200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache', 'x-accel-buffering': 'no' });
  reply.raw.flushHeaders();
  return {
    // A client that went away reads nothing; the turn goes on without it.
    write: (chunk) => reply.raw.destroyed || reply.raw.write(chunk),
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

const interrupted = ({ normalized }: Streamed) => ({
  jsonrpc: '2.0',
  id: normalized.body.id ?? null,
  error: { code: -32000, message: 'stream interrupted' },
});

function endStream(reply: FastifyReply, outcome: Streamed): void {
  if (outcome.broken) reply.raw.write(`data: ${JSON.stringify(interrupted(outcome))}\n\n`);
  reply.raw.end();
}

function sendOutcome(reply: FastifyReply, outcome: ProxyOutcome, streaming: boolean) {
  switch (outcome.kind) {
    case 'answered':
      sendBytes(reply, outcome.status, outcome.body);
      return HANDLED;
    case 'streamed':
      if (streaming) endStream(reply, outcome);
      else {
        const whole = outcome.broken ? interrupted(outcome) : outcome.translation.toCaller(outcome.reply);
        sendBytes(reply, 200, Buffer.from(JSON.stringify(whole)));
      }
      return HANDLED;
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
  deps: { db: Database; run: A2aProxy['run']; outcomes: QueueOutcomes },
): void {
  const { db, run, outcomes } = deps;

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
        const version = request.headers['a2a-version'];
        let streaming = false;
        const wantsStream = (request.headers.accept ?? '').includes('text/event-stream');
        const outcome = await run({
          targetId: params.id,
          body: Buffer.isBuffer(body) ? body : Buffer.alloc(0),
          caller: callerOf(principal, request),
          versionHeader: typeof version === 'string' ? version : undefined,
          timeoutSeconds: timeoutOf(request),
          traceHeaders: traceHeadersOf(request),
          enqueueOnBusy: true,
          logActivity: true,
          ...(wantsStream
            ? {
                openStream: () => {
                  streaming = true;
                  return openStream(reply);
                },
              }
            : {}),
        });
        return sendOutcome(reply, outcome, streaming);
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
