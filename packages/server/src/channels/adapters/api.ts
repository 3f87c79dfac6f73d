// One call of a channel's API, through the one guard. Addresses of channels embed credentials: neither an address nor an error that
// may quote one leaves this file.

import { PlatformError } from '../../platform/errors.ts';
import { request } from '../../platform/http-client.ts';
import type { Outbound } from '../../platform/outbound/index.ts';

const LIMIT_MS = 10_000;
const MOST_BYTES = 1024 * 1024;

/** The channel did not take it. `message` is safe to show and to log. */
export class ChannelSendError extends Error {
  /** When the channel wants to be asked again; null: it did not say. */
  readonly retryAfterSeconds: number | null;
  constructor(message: string, retryAfterSeconds: number | null = null) {
    super(message);
    this.name = 'ChannelSendError';
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export interface ApiAnswer {
  status: number;
  /** Undefined for what is no JSON. */
  json: unknown;
  retryAfterSeconds: number | null;
}

export interface ApiCall {
  body: unknown;
  headers?: Record<string, string>;
  /** Ends it early. */
  signal?: AbortSignal;
  limitMs?: number;
}

export type CallApi = (url: string, call: ApiCall) => Promise<ApiAnswer>;

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Only its code: messages of a transport may name the address. */
function describe(error: unknown): string {
  const { code, name } = error as { code?: unknown; name?: string };
  return typeof code === 'string' ? code : (name ?? 'failed');
}

export function createApiCaller(outbound: Outbound): CallApi {
  return async (url, { body, headers = {}, signal, limitMs = LIMIT_MS }) => {
    const { origin, pathname, search } = new URL(url);
    const judged = await outbound.judge(origin, 'dispatch');
    if (!judged.ok) throw new ChannelSendError('the address of the channel may not be called');
    const deadline = AbortSignal.timeout(limitMs);
    try {
      const response = await request(origin + pathname + search, {
        method: 'POST',
        dispatcher: outbound.dispatcherFor(judged),
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
        signal: signal ? AbortSignal.any([signal, deadline]) : deadline,
      });
      const chunks: Buffer[] = [];
      let size = 0;
      for await (const chunk of response.body) {
        size += (chunk as Buffer).length;
        if (size > MOST_BYTES) throw new ChannelSendError('the channel answered with more than 1 MiB');
        chunks.push(chunk as Buffer);
      }
      const wait = Number(response.headers['retry-after']);
      return {
        status: response.statusCode,
        json: parse(Buffer.concat(chunks).toString()),
        retryAfterSeconds: Number.isFinite(wait) && wait > 0 ? wait : null,
      };
    } catch (error) {
      if (error instanceof ChannelSendError || error instanceof PlatformError) throw error;
      throw new ChannelSendError(`the channel could not be reached (${describe(error)})`);
    }
  };
}
