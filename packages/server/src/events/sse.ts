// Server-sent events of one workspace: recorded events carry an id, so a client resumes with `Last-Event-ID`.

import type { ServerResponse } from 'node:http';
import type { EventFrame } from '@molecule/contract';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Database } from '../platform/db/index.ts';
import { createAguiTranslator } from './agui.ts';
import { type EventLog, resyncFrame, toFrame } from './log.ts';
import * as store from './store.ts';

const MOST_QUEUED = 64;
const MOST_BUFFERED_BYTES = 1024 * 1024;
const MOST_REPLAYED = 1_000;
export const KEEP_ALIVE_MS = 15_000;
const KEEP_ALIVE = ': ping\n\n';

export type Profile = 'agui' | undefined;

/** The id goes with the last of them: a client that resumes has got all that one event is told as. */
function renderAll(told: readonly object[], seq: number | undefined): string {
  return told
    .map((event, index) => {
      const id = seq === undefined || index < told.length - 1 ? '' : `id: ${seq}\n`;
      return `${id}data: ${JSON.stringify(event)}\n\n`;
    })
    .join('');
}

function createRenderer(workspaceId: string, profile: Profile): (frame: EventFrame) => string {
  if (profile === 'agui') {
    const translate = createAguiTranslator(workspaceId);
    return (frame) => renderAll(translate(frame), frame.seq);
  }
  return ({ event, timestamp, payload, seq }) =>
    renderAll([{ type: event, timestamp: Date.parse(timestamp), data: payload }], seq);
}

export interface EventStreams {
  open(
    request: FastifyRequest,
    reply: FastifyReply,
    workspaceId: string,
    isStillAllowed: () => Promise<boolean>,
    profile?: Profile,
  ): Promise<void>;
  /** A comment to every stream, so that proxies keep it open, and an end for those that lost their right. */
  keepAlive(): Promise<number>;
  close(): void;
}

export function createEventStreams(db: Database, events: EventLog): EventStreams {
  const open = new Map<ServerResponse, () => Promise<boolean>>();
  let closed = false;

  /** A reader that falls behind loses frames and is told so when it reads again; it never holds up another. */
  function createWriter(raw: ServerResponse, render: (frame: EventFrame) => string) {
    let unread = 0;
    let lagging = false;
    const write = (frame: EventFrame): void => {
      if (unread >= MOST_QUEUED || raw.writableLength > MOST_BUFFERED_BYTES) {
        lagging = true;
        return;
      }
      unread += 1;
      raw.write(render(frame), () => {
        unread -= 1;
        if (!lagging || unread > 0) return;
        lagging = false;
        write(resyncFrame());
      });
    };
    return write;
  }

  /** What a reader missed, and up to which number that settles it. */
  async function readMissed(
    workspaceId: string,
    lastEventId: unknown,
  ): Promise<{ frames: EventFrame[]; upTo: number }> {
    if (typeof lastEventId !== 'string' || !/^\d{1,15}$/.test(lastEventId)) return { frames: [], upTo: 0 };
    const missed = await store.listAfter(db.kysely, Number(lastEventId), MOST_REPLAYED + 1, workspaceId);
    const upTo = missed.at(-1)?.seq ?? 0;
    return { frames: missed.length > MOST_REPLAYED ? [resyncFrame()] : missed.map(toFrame), upTo };
  }

  return {
    async open(request, reply, workspaceId, isStillAllowed, profile) {
      const { raw } = reply;
      const render = createRenderer(workspaceId, profile);
      const write = createWriter(raw, render);
      let waiting: EventFrame[] | null = [];
      /** The last number the replay settled; it may be ahead of what this replica has published. */
      let replayedTo = 0;
      const isNews = (frame: EventFrame) => frame.seq === undefined || frame.seq > replayedTo;
      const unsubscribe = events.onWorkspace(workspaceId, (frame) => {
        if (waiting === null) {
          if (isNews(frame)) write(frame);
        } else if (waiting.length < MOST_REPLAYED) waiting.push(frame);
      });
      raw.on('close', () => {
        unsubscribe();
        open.delete(raw);
      });
      let missed: Awaited<ReturnType<typeof readMissed>>;
      try {
        missed = await readMissed(workspaceId, request.headers['last-event-id']);
      } catch (error) {
        unsubscribe();
        throw error;
      }
      reply.hijack();
      if (raw.destroyed) return;
      raw.writeHead(200, {
        ...(reply.getHeaders() as Record<string, string>),
        'content-type': 'text/event-stream',
        'cache-control': 'no-cache',
        connection: 'keep-alive',
        'x-accel-buffering': 'no',
      });
      raw.write(KEEP_ALIVE);
      open.set(raw, isStillAllowed);
      // In one piece: what was missed is bounded already and must not be cut by the queue of live frames.
      raw.write(missed.frames.map(render).join(''));
      replayedTo = missed.upTo;
      const late = waiting.filter(isNews);
      waiting = null;
      for (const frame of late) write(frame);
      if (closed) raw.end();
    },
    async keepAlive() {
      for (const [raw, isStillAllowed] of [...open]) {
        if (!(await isStillAllowed())) raw.end();
        else if (raw.writableLength <= MOST_BUFFERED_BYTES) raw.write(KEEP_ALIVE);
      }
      return open.size;
    },
    close() {
      closed = true;
      for (const raw of open.keys()) raw.end();
    },
  };
}
