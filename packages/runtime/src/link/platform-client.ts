// The one HTTP client to the platform: credentials, self-source header, timeouts. Statuses are answers, not exceptions.

import type { Readable } from 'node:stream';
import type { Credentials } from '../credentials.ts';
import type { Logger } from '../logger.ts';
import { Agent, type FormData, request } from './http-client.ts';

const TIMEOUT_MS = 10_000;

export interface PlatformResponse {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  /** Parsed JSON, else the text. */
  body: unknown;
}

export interface RequestOptions {
  body?: unknown;
  /** Instead of `body`. */
  form?: FormData;
  query?: Record<string, string | number>;
  timeoutMs?: number;
  signal?: AbortSignal;
  /** Says that this agent itself speaks; without it an A2A post would pass for a person's. */
  source?: boolean;
}

export interface OpenOptions {
  query?: Record<string, string | number>;
  accept?: string;
  /** Until the whole body is there; null: for as long as bytes come. */
  timeoutMs: number | null;
  /** Longest silence in the body; none unless given. */
  silenceMs?: number;
  signal: AbortSignal;
}

export interface PlatformClient {
  readonly workspaceId: string;
  /** Rejects only when no answer came: network, timeout, abort. */
  request(
    method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE',
    path: string,
    options?: RequestOptions,
  ): Promise<PlatformResponse>;
  /** GET whose body is read as it comes: a file, or events. Null unless the status is 200; else to be read or destroyed. */
  open(path: string, options: OpenOptions): Promise<{ status: number; body: Readable | null }>;
  /** The next request opens fresh connections; what is under way ends on the old ones. */
  reset(): void;
  close(): Promise<void>;
}

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export function createPlatformClient({
  platformUrl,
  workspaceId,
  credentials,
  log,
}: {
  platformUrl: string;
  workspaceId: string;
  credentials: Credentials;
  log: Logger;
}): PlatformClient {
  const open = () => new Agent({ keepAliveTimeout: 30_000, connect: { timeout: TIMEOUT_MS } });
  let agent = open();

  function urlOf(path: string, query: Record<string, string | number> = {}): URL {
    const url = new URL(platformUrl + path);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value));
    return url;
  }

  return {
    workspaceId,
    async request(method, path, options = {}) {
      const url = urlOf(path, options.query);
      const timeout = AbortSignal.timeout(options.timeoutMs ?? TIMEOUT_MS);
      const response = await request(url, {
        method,
        dispatcher: agent,
        signal: options.signal ? AbortSignal.any([options.signal, timeout]) : timeout,
        headersTimeout: 0,
        bodyTimeout: 0,
        headers: {
          ...credentials.authHeaders(),
          ...(options.source ? { 'x-workspace-id': workspaceId } : {}),
          ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(options.form ? { body: options.form } : {}),
        ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
      });
      const body = parseBody(await response.body.text());
      if (response.statusCode >= 400)
        log.debug({ method, path, status: response.statusCode }, 'the platform refused a request');
      return { status: response.statusCode, headers: response.headers, body };
    },
    async open(path, { query, accept, timeoutMs, silenceMs = 0, signal }) {
      const response = await request(urlOf(path, query), {
        dispatcher: agent,
        signal: timeoutMs === null ? signal : AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
        headersTimeout: TIMEOUT_MS,
        bodyTimeout: silenceMs,
        headers: { ...credentials.authHeaders(), ...(accept ? { accept } : {}) },
      });
      if (response.statusCode === 200) return { status: 200, body: response.body };
      await response.body.dump();
      return { status: response.statusCode, body: null };
    },
    reset() {
      const old = agent;
      agent = open();
      old.close().catch((error: unknown) => log.debug({ err: error }, 'an old connection did not close'));
    },
    close: () => agent.destroy(),
  };
}
