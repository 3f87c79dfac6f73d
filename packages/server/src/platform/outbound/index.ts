// The one way out: every address that came from outside is judged here, and connections go only to addresses that passed.
// Redirects are never followed (undici's dispatch does not), so a safe address cannot lead to an unsafe one.

import type { LookupOptions } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { startDeadline } from '../deadline.ts';
import { PlatformError } from '../errors.ts';
import { type Dispatcher, Pool } from '../http-client.ts';
import type { Logger } from '../log.ts';
import { judgeAddress, type OutboundMode } from './ranges.ts';

export type { OutboundMode } from './ranges.ts';
export type Purpose = 'register' | 'dispatch' | 'discover';

/** An address that may be called, with what it resolved to. */
export interface Judged {
  ok: true;
  url: URL;
  /** Where connections go; null for addresses of the platform's own backend, which are taken as they are. */
  addresses: readonly string[] | null;
}
export type Verdict = Judged | { ok: false; reason: string };

export interface Outbound {
  judge(url: string, purpose: Purpose, options?: { trusted?: boolean }): Promise<Verdict>;
  /**
   * Kept-alive connections to the judged addresses; the Host header and TLS name stay those of the URL.
   * @throws request_build_failed for a verdict this guard did not give: there is no way around it.
   */
  dispatcherFor(judged: Judged): Dispatcher;
  close(): Promise<void>;
}

/** @returns every address of a name; rejects or returns nothing when it has none. */
export type Resolve = (host: string) => Promise<string[]>;

type LookupDone = (
  error: Error | null,
  address: string | { address: string; family: number }[],
  family?: number,
) => void;

/** undici's timers tick every half second, so this ends within the ten seconds of chapter 10 §6. */
const CONNECT_TIMEOUT_MS = 9_000;
const RESOLVE_TIMEOUT_MS = 5_000;
const KEEP_ALIVE_MS = 30_000;
const CONNECTIONS_PER_UPSTREAM = 256;
const MOST_UPSTREAMS = 4_096;
const MOST_VERDICTS = 8_192;

const resolveWithDns: Resolve = async (host) =>
  (await lookup(host, { all: true, verbatim: true })).map(({ address }) => address);

/** Host without the brackets of an IPv6 literal. WHATWG parsing has normalised decimal, octal and hex IPv4 already. */
function bareHost(url: URL): string {
  return url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
}

/** What URL parsers disagree on: some read a backslash as a slash, some drop tabs and line breaks. The text is handed on, too. */
const AMBIGUOUS = /[\\\s\p{Cc}]/u;

function parseTarget(text: string): URL | string {
  let url: URL;
  if (AMBIGUOUS.test(text)) return 'is not a URL';
  try {
    url = new URL(text);
  } catch {
    return 'is not a URL';
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return 'must be http or https';
  if (url.username !== '' || url.password !== '') return 'must not carry credentials';
  return url.hostname === '' ? 'has no host' : url;
}

/** A name server that changes its mind is never asked again: connections go to the addresses that passed. */
function pinTo(addresses: readonly string[]) {
  const known = addresses.map((address) => ({ address, family: isIP(address) }));
  return (_host: string, options: LookupOptions, done: LookupDone) =>
    options.all ? done(null, known) : done(null, known[0]?.address ?? '', known[0]?.family);
}

function openPool({ url, addresses }: Judged): Pool {
  return new Pool(url.origin, {
    connections: CONNECTIONS_PER_UPSTREAM,
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    // Silence is judged by the caller, which knows what the agent's events say.
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: {
      timeout: CONNECT_TIMEOUT_MS,
      autoSelectFamily: true,
      ...(addresses === null ? {} : { lookup: pinTo(addresses) }),
    },
  });
}

/** What may stand in a log line: credentials of a URL never do. */
function withoutCredentials(text: string): string {
  return text.replace(/\/\/[^/?#]*@/, '//…@').slice(0, 200);
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
  /** Verdicts that no name server can change: literal addresses and those of the platform's own backend. */
  const fixed = new Map<string, Judged>();
  const given = new WeakSet<Judged>();

  async function resolveAll(host: string): Promise<string[]> {
    if (isIP(host)) return [host];
    const unanswered = Promise.withResolvers<never>();
    const deadline = startDeadline({
      silenceMs: RESOLVE_TIMEOUT_MS,
      ceilingMs: null,
      onExpire: () => unanswered.reject(new Error(`no answer within ${RESOLVE_TIMEOUT_MS} ms`)),
    });
    try {
      return await Promise.race([resolve(host), unanswered.promise]);
    } catch (error) {
      log.debug({ err: error, host }, 'an outbound name did not resolve');
      return [];
    } finally {
      deadline.cancel();
    }
  }

  function refuse(text: string, reason: string): Verdict {
    log.warn({ url: withoutCredentials(text), reason }, 'an outbound address was refused');
    // The address stays in the log; callers learn only that it may not be called.
    return {
      ok: false,
      reason: /^(is not|must|has no)/.test(reason) ? reason : 'is not an address the platform may call',
    };
  }

  function pass(url: URL, addresses: readonly string[] | null): Judged {
    const judged: Judged = { ok: true, url, addresses };
    given.add(judged);
    return judged;
  }

  function remember(key: string, judged: Judged): Judged {
    if (fixed.size >= MOST_VERDICTS) fixed.clear();
    fixed.set(key, judged);
    return judged;
  }

  return {
    async judge(text, purpose, { trusted = false } = {}) {
      const key = `${trusted ? 'trusted' : purpose} ${text}`;
      const known = fixed.get(key);
      if (known) return known;
      const url = parseTarget(text);
      if (typeof url === 'string') return refuse(text, url);
      if (trusted) return remember(key, pass(url, null));
      const host = bareHost(url);
      // Registered by name it is only a word; what it leads to is judged when it is called.
      if (purpose === 'register' && host === 'localhost') return pass(url, []);
      const addresses = await resolveAll(host);
      if (addresses.length === 0) return refuse(text, 'does not resolve');
      for (const address of addresses) {
        const reason = judgeAddress(address, mode, purpose);
        if (reason) return refuse(text, reason);
      }
      const judged = pass(url, addresses);
      return isIP(host) ? remember(key, judged) : judged;
    },
    dispatcherFor(judged) {
      if (!given.has(judged)) throw new PlatformError('request_build_failed', 'the address was not checked');
      const key = `${judged.url.origin}|${judged.addresses === null ? '' : judged.addresses.toSorted().join()}`;
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
