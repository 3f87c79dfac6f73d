// Server-sent events of one workspace: recorded events carry an id, so a client resumes with `Last-Event-ID`.

import type { EventFrame } from '@molecule/contract';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Database } from '../platform/db/index.ts';
import { type EventLog, toFrame } from './log.ts';
import * as store from './store.ts';

const MOST_BUFFERED_BYTES = 64 * 16 * 1024;
const MOST_REPLAYED = 1_000;
export const KEEP_ALIVE_MS = 15_000;

function render(frame: EventFrame): string {
  const id = frame.seq === undefined ? '' : `id: ${frame.seq}\n`;
  return `${id}data: ${JSON.stringify({ type: frame.event, timestamp: Date.parse(frame.timestamp), data: frame.payload })}\n\n`;
}

export interface EventStreams {
  open(request: FastifyRequest, reply: FastifyReply, workspaceId: string): Promise<void>;
  /** A comment to every stream, so that proxies keep it open; the supervisor calls it. */
  keepAlive(): number;
  close(): void;
}

export function createEventStreams(db: Database, events: EventLog): EventStreams {
  const open = new Set<FastifyReply['raw']>();

  function write(raw: FastifyReply['raw'], text: string): void {
    if (raw.writableLength <= MOST_BUFFERED_BYTES) raw.write(text);
  }

  return {
    async open(request, reply, workspaceId) {
      const backlog: EventFrame[] = [];
      let live = false;
      const raw = reply.raw;
      const unsubscribe = events.onWorkspace(workspaceId, (frame) =>
        live ? write(raw, render(frame)) : void backlog.push(frame),
      );
      request.raw.on('close', () => {
        unsubscribe();
        open.delete(raw);
      });
      const last = Number(request.headers['last-event-id']);
      let missed: store.StoredEvent[];
      try {
        missed =
          Number.isInteger(last) && last >= 0 ? await store.listAfter(db.kysely, last, MOST_REPLAYED, workspaceId) : [];
      } catch (error) {
        unsubscribe();
        throw error;
      }
      reply.hijack();
      raw.writeHead(200, {
        ...(reply.getHeaders() as Record<string, string>),
        'content-type': 'text/event-stream',
        'cache-control': 'no-cache',
        connection: 'keep-alive',
        'x-accel-buffering': 'no',
      });
      raw.write(': ping\n\n');
      open.add(raw);
      for (const event of missed) write(raw, render(toFrame(event)));
      const sent = missed.at(-1)?.seq ?? 0;
      for (const frame of backlog) if (frame.seq === undefined || frame.seq > sent) write(raw, render(frame));
      live = true;
    },
    keepAlive() {
      for (const raw of open) raw.write(': ping\n\n');
      return open.size;
    },
    close() {
      for (const raw of open) raw.end();
    },
  };
}
