// Events: appended with the change they describe, published in commit order, streamed to canvases and agents (chapter 20 §6).

import { type EventFrame, eventRoutes } from '@molecule/contract';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Clock } from '../platform/clock.ts';
import type { Database } from '../platform/db/index.ts';
import { notFound } from '../platform/errors.ts';
import { type Authorize, HANDLED, mount, mountSocket } from '../platform/http.ts';
import type { Logger } from '../platform/log.ts';
import type { Loop } from '../platform/loops.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { Principal } from '../platform/principal.ts';
import { createEventLog, type EventLog } from './log.ts';
import { createSockets, type Sockets } from './sockets.ts';
import { createEventStreams, KEEP_ALIVE_MS } from './sse.ts';
import * as store from './store.ts';

export interface EventAccess {
  canCommunicate(a: string, b: string): Promise<boolean>;
  workspaceExists(id: string): Promise<boolean>;
  /** False once the credential that opened the socket was revoked or has expired. */
  isStillAllowed(request: FastifyRequest, principal: Principal): Promise<boolean>;
}

export interface Events extends EventLog {
  loops: Loop[];
  mount(app: FastifyInstance, authorize: Authorize, access: EventAccess): void;
}

/** A workspace sees as itself, an administrator that names a workspace as that one, any other administrator everything. */
function viewerOf(principal: Principal, request: FastifyRequest): string | null {
  if (principal.kind === 'workspace') return principal.workspaceId;
  const named = request.headers['x-workspace-id'];
  return typeof named === 'string' && named !== '' ? named.toLowerCase() : null;
}

export function createEvents({
  db,
  log,
  metrics,
  instanceId,
  clock,
  restore,
}: {
  db: Database;
  log: Logger;
  metrics: Metrics;
  instanceId: string;
  clock: Clock;
  /** Completes a broadcast of another replica out of the row it mirrors. */
  restore(frame: EventFrame): Promise<EventFrame | null>;
}): Events {
  const events = createEventLog({ db, log, instanceId, restore });
  const streams = createEventStreams(db, events);
  let sockets: Sockets | null = null;

  const loops: Loop[] = [
    {
      name: 'event-subscriber',
      why: 'A notification that got lost would leave sockets without an event until the next one.',
      everyMs: 5_000,
      timeoutMs: 10_000,
      runs: 'every-replica',
      run: async () => ({ events: await events.catchUp() }),
    },
    {
      name: 'event-connections',
      why: 'Proxies close silent streams, and clients that vanished would hold their place.',
      everyMs: KEEP_ALIVE_MS,
      timeoutMs: 5_000,
      runs: 'every-replica',
      run: async () => ({ streams: await streams.keepAlive(), sockets_dropped: (await sockets?.sweep()) ?? 0 }),
    },
    {
      name: 'event-peers',
      why: 'Replicas that do not know of each other keep their broadcasts to themselves.',
      everyMs: 15_000,
      timeoutMs: 5_000,
      runs: 'every-replica',
      run: async () => {
        await events.greet();
        return {};
      },
    },
  ];

  return {
    ...events,
    loops,
    mount(app, authorize, access) {
      // A stream never ends by itself, and the server does not close before the last one has.
      app.addHook('preClose', async () => {
        sockets?.close();
        streams.close();
      });
      sockets = createSockets({ db, events, metrics, log, clock, canCommunicate: access.canCommunicate });
      const { openEventSocket, ...rest } = eventRoutes;
      mount(
        app,
        rest,
        {
          listEvents: async ({ query }) =>
            query.since_seq === undefined
              ? await store.listNewest(db.kysely, Math.min(query.limit, 100))
              : await store.listAfter(db.kysely, query.since_seq, query.limit),
          listWorkspaceEvents: async ({ params, query }) =>
            query.since_seq === undefined
              ? await store.listNewest(db.kysely, Math.min(query.limit, 100), params.id)
              : await store.listAfter(db.kysely, query.since_seq, query.limit, params.id),
          streamEvents: async ({ params, query, principal, request, reply }) => {
            if (!(await access.workspaceExists(params.id))) throw notFound('workspace');
            const isStillAllowed = () => access.isStillAllowed(request, principal);
            await streams.open(request, reply, params.id, isStillAllowed, query.profile);
            return HANDLED;
          },
        },
        authorize,
      );
      mountSocket(app, openEventSocket, authorize, (socket, { principal, query, request }) =>
        sockets?.accept(socket, {
          workspaceId: viewerOf(principal, request),
          sinceSeq: query.since_seq,
          isStillAllowed: () => access.isStillAllowed(request, principal),
        }),
      );
    },
  };
}
