import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { LOOPBACK, NEVER, NOT_URLS, PRIVATE, PUBLIC } from '../../../test/address-corpus.ts';
import { createLog } from '../log.ts';
import { createOutbound, type Judged, type Outbound, type OutboundMode, type Purpose, type Resolve } from './index.ts';

const MODES: readonly OutboundMode[] = ['strict', 'saas', 'dev'];
const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

function createGuard(mode: OutboundMode, resolve: Resolve = async () => [], lines: string[] = []): Outbound {
  const guard = createOutbound({
    mode,
    log: createLog('warn', { write: (line: string) => void lines.push(line) }),
    resolve,
  });
  closing.push(guard.close);
  return guard;
}
const isAllowed = async (mode: OutboundMode, url: string, purpose: Purpose = 'dispatch') =>
  (await createGuard(mode).judge(url, purpose)).ok;

describe('the table', () => {
  it.each(NEVER)('%s (%s) is never called', async (host) => {
    for (const mode of MODES)
      for (const purpose of ['register', 'dispatch', 'discover'] as const)
        for (const scheme of ['http', 'https'])
          expect([mode, purpose, await isAllowed(mode, `${scheme}://${host}:8000/a2a`, purpose)]).toEqual([
            mode,
            purpose,
            false,
          ]);
  });

  it.each(PRIVATE)('%s is private: not in strict, but in SaaS and dev, for every purpose', async (host) => {
    for (const purpose of ['register', 'dispatch', 'discover'] as const)
      expect(await Promise.all(MODES.map((mode) => isAllowed(mode, `http://${host}`, purpose)))).toEqual([
        false,
        true,
        true,
      ]);
  });

  it.each(LOOPBACK)(
    '%s is loopback: dispatched to and discovered in dev only, never registered by number',
    async (host) => {
      for (const purpose of ['dispatch', 'discover'] as const)
        expect(await Promise.all(MODES.map((mode) => isAllowed(mode, `http://${host}`, purpose)))).toEqual([
          false,
          false,
          true,
        ]);
      expect(await Promise.all(MODES.map((mode) => isAllowed(mode, `http://${host}`, 'register')))).toEqual([
        false,
        false,
        false,
      ]);
    },
  );

  it.each(PUBLIC)('%s is public', async (host) => {
    for (const mode of MODES)
      for (const purpose of ['register', 'dispatch', 'discover'] as const)
        expect(await isAllowed(mode, `https://${host}`, purpose)).toBe(true);
  });

  it.each(NOT_URLS)('%j is no address at all', async (url) => {
    for (const mode of MODES) expect(await isAllowed(mode, url)).toBe(false);
  });

  it('localhost is a word at registration and loopback afterwards', async () => {
    const guards = MODES.map((mode) => createGuard(mode, async () => ['127.0.0.1', '::1']));
    const judge = (purpose: Purpose) =>
      Promise.all(guards.map(async (guard) => (await guard.judge('http://localhost:9000', purpose)).ok));
    expect(await judge('register')).toEqual([true, true, true]);
    expect(await judge('dispatch')).toEqual([false, false, true]);
  });
});

describe('names', () => {
  it('pass only when every address passes, and never when there is none', async () => {
    const answers: Record<string, string[]> = {
      'good.example': ['93.184.216.34', '2606:2800:220:1::1'],
      'mixed.example': ['93.184.216.34', '169.254.169.254'],
      'mapped.example': ['::ffff:169.254.169.254'],
      'inside.example': ['10.0.0.5'],
      'none.example': [],
    };
    const guard = createGuard('strict', async (host) => {
      if (!answers[host]) throw new Error('ENOTFOUND');
      return answers[host];
    });
    const verdicts = await Promise.all(
      [...Object.keys(answers), 'unknown.example'].map(async (host) => [
        host,
        (await guard.judge(`http://${host}`, 'register')).ok,
      ]),
    );
    expect(verdicts).toEqual([
      ['good.example', true],
      ['mixed.example', false],
      ['mapped.example', false],
      ['inside.example', false],
      ['none.example', false],
      ['unknown.example', false],
    ]);
  });

  it('are looked up at each use, and the connection goes to what passed, not to a second answer', async () => {
    const hits: string[] = [];
    const server: Server = createServer((request, response) => {
      hits.push(request.headers.host ?? '');
      response.end('ok');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closing.push(() => new Promise((resolve) => server.close(resolve)));
    const { port } = server.address() as AddressInfo;
    const answers = [['127.0.0.1'], ['169.254.169.254']];
    let lookups = 0;
    const guard = createGuard('dev', async () => answers[Math.min(lookups++, 1)] ?? []);
    const url = `http://rebinding.example:${port}/`;
    const judged = (await guard.judge(url, 'dispatch')) as Judged;
    const response = await guard.dispatcherFor(judged).request({ origin: judged.url.origin, path: '/', method: 'GET' });
    expect(await response.body.text()).toBe('ok');
    // The Host header stays the name's; the resolver was not asked again.
    expect([hits, lookups]).toEqual([[`rebinding.example:${port}`], 1]);
    expect((await guard.judge(url, 'dispatch')).ok).toBe(false);
    expect(lookups).toBe(2);
  });
});

describe('verdicts', () => {
  it('cannot be forged: only what this guard passed opens a connection', () => {
    const guard = createGuard('strict');
    const forged: Judged = { ok: true, url: new URL('http://169.254.169.254'), addresses: null };
    expect(() => guard.dispatcherFor(forged)).toThrow('the address was not checked');
  });

  it('trust what the own backend returned, and nothing but its form', async () => {
    const guard = createGuard('strict');
    expect((await guard.judge('http://127.0.0.1:49153', 'dispatch', { trusted: true })).ok).toBe(true);
    expect((await guard.judge('file:///etc/passwd', 'dispatch', { trusted: true })).ok).toBe(false);
    // Trust given once is not remembered for those who have none.
    expect((await guard.judge('http://127.0.0.1:49153', 'dispatch')).ok).toBe(false);
  });

  it('tell the caller no address and no credential; the log tells the address, never the credential', async () => {
    const lines: string[] = [];
    const guard = createGuard('strict', async () => ['10.9.8.7'], lines);
    const refused = await guard.judge('http://inside.example', 'register');
    expect(refused).toEqual({ ok: false, reason: 'is not an address the platform may call' });
    expect(lines.join()).toContain('10.9.8.7');
    expect(await guard.judge('http://user:hunter2@10.0.0.1/', 'register')).toEqual({
      ok: false,
      reason: 'must not carry credentials',
    });
    expect(lines.join()).not.toContain('hunter2');
  });
});
