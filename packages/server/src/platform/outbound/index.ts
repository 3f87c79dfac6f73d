// The one way out: every address that came from outside is judged here, and connections go to exactly the address that passed.
// Redirects are never followed (undici's dispatch does not), so a safe address cannot lead to an unsafe one.

import type { LookupOptions } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { type Dispatcher, Pool } from 'undici';
import type { Logger } from '../log.ts';
import { judgeAddress, type OutboundMode } from './ranges.ts';

export type { OutboundMode } from './ranges.ts';
export type Purpose = 'register' | 'dispatch' | 'discover';

/** An address that may be called, with what it resolved to. */
export interface Judged {
  ok: true;
  url: URL;
  /** Where connections go; null for addresses of the platform's own backend, which are taken as they are. */
  address: string | null;
}
export type Verdict = Judged | { ok: false; reason: string };

export interface Outbound {
  judge(url: string, purpose: Purpose, options?: { trusted?: boolean }): Promise<Verdict>;
  /** A kept-alive connection set to the judged address; the Host header and TLS name stay those of the URL. */
  dispatcherFor(judged: Judged): Dispatcher;
  close(): Promise<void>;
}

export type Resolve = (host: string) => Promise<string[]>;

type LookupDone = (
  error: Error | null,
  address: string | { address: string; family: number }[],
  family?: number,
) => void;

const CONNECT_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 30_000;
const CONNECTIONS_PER_UPSTREAM = 256;
const MOST_UPSTREAMS = 4_096;

const resolveWithDns: Resolve = async (host) =>
  (await lookup(host, { all: true, verbatim: true })).map(({ address }) => address);

/** Host without the brackets of an IPv6 literal. WHATWG parsing has normalised decimal, octal and hex IPv4 already. */
function bareHost(url: URL): string {
  return url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
}

function parseTarget(text: string): URL | string {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    return 'is not a URL';
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'must be http or https';
  if (url.username !== '' || url.password !== '') return 'must not carry credentials';
  return url.hostname === '' ? 'has no host' : url;
}

function openPool(judged: Judged): Pool {
  const { url, address } = judged;
  return new Pool(url.origin, {
    connections: CONNECTIONS_PER_UPSTREAM,
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // Silence is judged by the caller, which knows what the agent's events say.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: {
      timeout: CONNECT_TIMEOUT_MS,
      ...(address === null || isIP(bareHost(url)) ? {} : { servername: url.hostname }),
      // A name server that changes its mind is never asked again: the connection goes to the address that passed.
      ...(address === null
        ? {}
        : {
            lookup: (_host: string, options: LookupOptions, done: LookupDone) =>
              options.all ? done(null, [{ address, family: isIP(address) }]) : done(null, address, isIP(address)),
          }),
    },
  });
}

export function createOutbound({
  mode,
  log,
  resolve = resolveWithDns,
}: {
  mode: OutboundMode;
  log: Logger;
  resolve?: Resolve;
}): Outbound {
  const pools = new Map<string, Pool>();

  async function resolveAll(host: string): Promise<string[]> {
    if (isIP(host)) return [host];
    try {
      return await resolve(host);
    } catch (error) {
      log.debug({ err: error, host }, 'an outbound name did not resolve');
      return [];
    }
  }

  function refuse(url: string, reason: string): Verdict {
    log.warn({ url, reason }, 'an outbound address was refused');
    // The address stays in the log; callers learn only that it may not be called.
    return {
      ok: false,
      reason: /^(is not|must|has no)/.test(reason) ? reason : 'is not an address the platform may call',
    };
  }

  return {
    async judge(text, purpose, { trusted = false } = {}) {
      const url = parseTarget(text);
      if (typeof url === 'string') return refuse(text, url);
      if (trusted) return { ok: true, url, address: null };
      const host = bareHost(url);
      // Registered by name it is only a word; what it leads to is judged when it is called.
      if (purpose === 'register' && host === 'localhost') return { ok: true, url, address: null };
      const addresses = await resolveAll(host);
      if (addresses.length === 0) return refuse(text, 'does not resolve');
      for (const address of addresses) {
        const reason = judgeAddress(address, mode, purpose);
        if (reason) return refuse(text, reason);
      }
      return { ok: true, url, address: addresses[0] as string };
    },
    dispatcherFor(judged) {
      const key = `${judged.url.origin}|${judged.address ?? ''}`;
      const known = pools.get(key);
      if (known) return known;
      const pool = openPool(judged);
      pools.set(key, pool);
      if (pools.size > MOST_UPSTREAMS) {
        const [oldest, stale] = pools.entries().next().value as [string, Pool];
        pools.delete(oldest);
        stale.close().catch((error: unknown) => log.debug({ err: error }, 'an idle upstream did not close'));
      }
      return pool;
    },
    async close() {
      await Promise.all([...pools.values()].map((pool) => pool.destroy()));
      pools.clear();
    },
  };
}
