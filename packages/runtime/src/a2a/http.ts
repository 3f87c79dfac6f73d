// The little HTTP the agent needs over node:http: bodies with a limit, JSON replies, event streams that never fall silent.

import { createHash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';

export class BodyTooLarge extends Error {}

/** @throws BodyTooLarge, at once when the length is declared. */
export async function readBody(request: IncomingMessage, mostBytes: number): Promise<string> {
  if (Number(request.headers['content-length'] ?? 0) > mostBytes) throw new BodyTooLarge();
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > mostBytes) throw new BodyTooLarge();
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  const bytes = Buffer.from(JSON.stringify(body));
  response
    .writeHead(status, { 'content-type': 'application/json', 'content-length': bytes.length, ...headers })
    .end(bytes);
}

const digest = (text: string) => createHash('sha256').update(text).digest();

/** Constant time; false when there is no secret to compare with. */
export function bearerMatches(request: IncomingMessage, secret: string | null): boolean {
  const given = /^Bearer\s+(.+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (!secret || !given) return false;
  return timingSafeEqual(digest(given), digest(secret));
}

/**
 * Writes frames as server-sent events. A comment after each silence keeps idle timers awake.
 * A reader that left ends the writing, not what is written about.
 */
export async function sendEvents(
  response: ServerResponse,
  frames: AsyncIterable<unknown>,
  silenceMs: number,
): Promise<void> {
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-cache',
    'x-accel-buffering': 'no',
  });
  response.flushHeaders();
  const keepAlive = setInterval(() => response.write(': working\n\n'), silenceMs);
  try {
    for await (const frame of frames) {
      if (response.destroyed) return;
      keepAlive.refresh();
      const hasRoom = response.write(`data: ${JSON.stringify(frame)}\n\n`);
      if (!hasRoom) await Promise.race([once(response, 'drain'), once(response, 'close')]);
    }
  } finally {
    clearInterval(keepAlive);
    response.end();
  }
}
