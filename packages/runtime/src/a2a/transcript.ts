// The session log for whoever may see it (chapter 40 §12): the platform with the inbound secret, or the agent itself. Knows who
// may ask and how much is told; what there is to tell is the adapter's.

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Adapter, TranscriptLine, TranscriptPage } from '../adapters/adapter.ts';
import type { Credentials } from '../credentials.ts';
import type { Redact } from '../logger.ts';
import { bearerMatches, sendJson } from './http.ts';

const MOST_LINES = 1_000;
const LINES = 100;
const MOST_BYTES = 1_000_000;

export interface TranscriptDeps {
  adapter: Adapter;
  credentials: Pick<Credentials, 'authToken' | 'inboundSecret'>;
  redact: Redact;
}

/** Null when it is no whole number, or out of its range. */
function readNumber(text: string | null, fallback: number, least: number, most: number): number | null {
  if (text === null) return fallback;
  const number = /^\d{1,15}$/.test(text) ? Number(text) : -1;
  return number >= least && number <= most ? number : null;
}

/** As many of the lines as one reply may carry, at least one. */
function fit({ lines, cursor, more }: TranscriptPage, redact: Redact): TranscriptPage {
  const fitting: TranscriptLine[] = [];
  let bytes = 0;
  for (const line of lines) {
    const clean = { ...line, content: redact(line.content) };
    bytes += Buffer.byteLength(JSON.stringify(clean)) + 1;
    if (bytes > MOST_BYTES && fitting.length > 0) break;
    fitting.push(clean);
  }
  const left = lines.length - fitting.length;
  return { lines: fitting, cursor: cursor - left, more: more || left > 0 };
}

export function createTranscriptDoor({ adapter, credentials, redact }: TranscriptDeps) {
  const mayAsk = (request: IncomingMessage) =>
    bearerMatches(request, credentials.authToken()) || bearerMatches(request, credentials.inboundSecret());

  return async (request: IncomingMessage, response: ServerResponse, { searchParams }: URL): Promise<void> => {
    if (!mayAsk(request))
      return sendJson(response, 401, {
        error: 'the own token or the inbound secret is required',
        code: 'unauthorized',
      });
    const since = readNumber(searchParams.get('since'), 0, 0, Number.MAX_SAFE_INTEGER);
    const limit = readNumber(searchParams.get('limit'), LINES, 1, MOST_LINES);
    if (since === null || limit === null)
      return sendJson(response, 400, {
        error: since === null ? 'since must be a whole number' : `limit must be a whole number from 1 to ${MOST_LINES}`,
        code: 'invalid_request',
        field: since === null ? 'since' : 'limit',
      });
    const page = await adapter.transcript?.(since, limit);
    sendJson(response, 200, {
      runtime: adapter.name(),
      supported: page !== undefined,
      ...(page ? fit(page, redact) : { lines: [], cursor: 0, more: false }),
      source: page ? 'session' : 'none',
    });
  };
}
