import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
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

/** Blocked in every mode and for every purpose. The host, and what it stands for. */
const NEVER: readonly [string, string][] = [
  ['169.254.169.254', 'cloud metadata'],
  ['169.254.0.1', 'link local'],
  ['[::ffff:169.254.169.254]', 'metadata, IPv4-mapped'],
  ['[::ffff:a9fe:a9fe]', 'metadata, IPv4-mapped in hex'],
  ['[0:0:0:0:0:ffff:a9fe:a9fe]', 'metadata, IPv4-mapped, written out'],
  ['[::169.254.169.254]', 'metadata, IPv4-compatible'],
  ['[64:ff9b::a9fe:a9fe]', 'metadata behind NAT64'],
  ['[64:ff9b:1::a9fe:a9fe]', 'metadata behind local NAT64'],
  ['[2002:a9fe:a9fe::1]', 'metadata behind 6to4'],
  ['[2001:0:a9fe:a9fe::1]', 'Teredo'],
  ['[::ffff:0:169.254.169.254]', 'metadata, IPv4-translated'],
  ['2852039166', 'metadata in decimal'],
  ['0xa9fea9fe', 'metadata in hex'],
  ['0xa9.0xfe.0xa9.0xfe', 'metadata in hex octets'],
  ['0251.0376.0251.0376', 'metadata in octal octets'],
  ['169.16689662', 'metadata in two parts'],
  ['169.254.43518', 'metadata in three parts'],
  ['169.254.169.254.', 'metadata with a root dot'],
  ['%31%36%39.254.169.254', 'metadata, percent-encoded'],
  ['１６９.２５４.１６９.２５４', 'metadata in full-width digits'],
  ['①⑥⑨.②⑤④.①⑥⑨.②⑤④', 'metadata in circled digits'],
  ['169。254。169。254', 'metadata with ideographic dots'],
  ['[fe80::1]', 'link local'],
  ['[febf::1]', 'the last link local'],
  ['0.0.0.0', 'this host'],
  ['0', 'this host, short'],
  ['0.1.2.3', 'this network'],
  ['[::]', 'unspecified'],
  ['[fc00::1]', 'unique local without the local bit'],
  ['100.64.0.1', 'carrier NAT'],
  ['100.127.255.255', 'the last of carrier NAT'],
  ['192.0.2.1', 'documentation'],
  ['198.51.100.7', 'documentation'],
  ['203.0.113.5', 'documentation'],
  ['[2001:db8::1]', 'documentation'],
  ['224.0.0.1', 'multicast'],
  ['239.255.255.255', 'multicast'],
  ['[ff02::1]', 'multicast'],
  ['192.0.0.1', 'protocol assignments'],
  ['198.18.0.1', 'benchmarks'],
  ['198.19.255.255', 'benchmarks'],
  ['240.0.0.1', 'reserved'],
  ['255.255.255.255', 'broadcast'],
  ['[fec0::1]', 'site local'],
  ['[100::1]', 'discard'],
];

/** Blocked in strict, allowed in SaaS and dev. */
const PRIVATE = [
  '10.0.0.1',
  '10.1.2.3',
  '10.255.255.255',
  '172.16.0.1',
  '172.18.0.2',
  '172.31.0.9',
  '192.168.0.1',
  '192.168.255.255',
  '[fd00::1]',
  '[::ffff:10.1.2.3]',
  '0x0a.1.2.3',
];

const LOOPBACK = [
  '127.0.0.1',
  '127.255.255.254',
  '2130706433',
  '0x7f000001',
  '0x7f.1',
  '017700000001',
  '0177.0.0.1',
  '127.1',
  '127.0.1',
  '127.0.0.1.',
  '１２７.0.0.1',
  '[::1]',
  '[::ffff:127.0.0.1]',
  '[0:0:0:0:0:0:0:1]',
];

const PUBLIC = [
  '93.184.216.34',
  '8.8.8.8',
  '172.15.0.1',
  '172.32.0.1',
  '100.63.255.255',
  '100.128.0.1',
  '11.0.0.1',
  '192.0.1.1',
  '223.255.255.255',
  '[2606:2800:220:1::1]',
  '[2001:200::1]',
];

const NOT_URLS: readonly string[] = [
  '',
  'agent.example',
  '//agent.example',
  'file:///etc/passwd',
  'ftp://93.184.216.34',
  'gopher://93.184.216.34',
  'javascript:alert(1)',
  'data:text/plain,x',
  'unix:/var/run/docker.sock',
  'http://',
  'http://?x',
  'http://user@93.184.216.34',
  'http://user:secret@93.184.216.34',
  'http://@93.184.216.34@169.254.169.254',
  'http://93.184.216.34:99999',
  'http://[::1',
  'http://[fe80::1%25eth0]',
  'http://1.2.3.4.5',
  'http://256.256.256.256',
  'http://exa mple.test',
];

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
