import { createServer, request as httpRequest } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { type Peer, startPeer, startPlatform, type TestPlatform } from '@molecule/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

let controlPlane: Peer;
let pages: Peer;
let test: TestPlatform;
beforeAll(async () => {
  controlPlane = await startPeer((_call, response) => void response.end('cp'));
  pages = await startPeer((_call, response) => void response.end('page'));
  test = await startPlatform({
    env: { CP_UPSTREAM_URL: `${controlPlane.url}/`, CANVAS_PROXY_URL: `${pages.url}/ui/` },
  });
});
beforeEach(() => {
  controlPlane.respond((_call, response) => void response.end('cp'));
  pages.respond((_call, response) => void response.end('page'));
  controlPlane.calls.length = 0;
  pages.calls.length = 0;
});
afterAll(async () => {
  await test?.stop();
  await controlPlane?.stop();
  await pages?.stop();
});

/** As it stands: fetch would tidy the path first. */
function send(path: string, headers: Record<string, string> = {}, method = 'GET', body = '') {
  return new Promise<{ status: number; text: string; headers: NodeJS.Dict<string | string[]> }>((resolve, reject) => {
    const { hostname, port } = new URL(test.url);
    const request = httpRequest({ hostname, port, path, method, headers }, async (response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk as Buffer);
      resolve({
        status: response.statusCode ?? 0,
        text: Buffer.concat(chunks).toString(),
        headers: response.headers,
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

describe('/cp', () => {
  it('10.36 /cp/admin/x, /cp/orgs/../admin/x and all their spellings → 404, nothing forwarded', async () => {
    for (const path of [
      '/cp/admin/x',
      '/cp/orgs/../admin/x',
      '/cp/orgs/./../admin/x',
      '/cp/orgs/..',
      '/cp/orgs/../../health',
      '/cp/orgs/%2e%2e/admin/x',
      '/cp/orgs/%2E./admin/x',
      '/cp/orgs/.%2e/admin/x',
      '/cp/orgs%2f..%2fadmin/x',
      '/cp/orgs/..%2fadmin/x',
      '/cp/orgs/%252e%252e/admin/x',
      '/cp/orgs/..%5cadmin/x',
      '/cp/orgs\\..\\admin\\x',
      '/cp/orgs/..\\admin/x',
      '/cp/orgs/..;/admin/x',
      '/cp/orgs/..;x=1/admin/x',
      '/cp/orgs/%3b/../admin',
      '/cp/orgs/%EF%BC%8E%EF%BC%8E/admin/x',
      '/cp/orgs/%E2%80%A5/admin/x',
      '/cp/orgs/..%c0%afadmin/x',
      '/cp/orgs/%00/admin',
      '/cp/orgs/a%0d%0aX-Admin:1',
      '/cp/orgs/%',
      '/cp/orgs//../admin/x',
      '/cp/orgs//admin',
      '/cp//admin/x',
      '//cp/orgs',
      '/cp/auth//x',
      '/cp/auth/%2f/admin',
      '/cp/./orgs',
      '/cp/%6frgs',
      '/%63p/orgs',
      '/cp/ORGS',
      '/cp/orgsecret',
      '/cp/templates-private/x',
      '/cp/auth',
      '/cp/auth/',
      '/cp/legal/',
      '/cp/billing',
      '/cp/',
      '/cp/orgs#/../admin',
      '/cp/orgs?x#/admin',
    ]) {
      const reply = await send(path);
      // What is no path of /cp at all belongs to the canvas.
      const isCanvas = path.startsWith('//');
      expect([path, isCanvas || reply.status === 404 || reply.status === 400]).toEqual([path, true]);
      expect([path, controlPlane.calls.length]).toEqual([path, 0]);
    }
    for (const path of ['/cp/admin/x', '/cp/orgs/../admin/x']) expect((await send(path)).status).toBe(404);
    for (const path of [
      '/cp/auth/login?next=%2F..%2Fx',
      '/cp/orgs',
      '/cp/orgs/acme/members',
      '/cp/orgs/',
      '/cp/templates/a%20b',
    ])
      expect([path, (await send(path)).text, controlPlane.calls.at(-1)?.path]).toEqual([path, 'cp', path]);
    expect(controlPlane.calls).toHaveLength(5);
  });

  it('passes method, body, status, cookies and redirects on, without what belongs to a connection or to this platform', async () => {
    controlPlane.respond((_call, response) => {
      response.writeHead(307, {
        location: `${pages.url}/elsewhere`,
        'set-cookie': ['cp=1; Path=/', 'other=2'],
        connection: 'keep-alive, x-hop',
        'x-hop': 'internal',
        'proxy-authenticate': 'Basic',
        'access-control-allow-origin': '*',
        'content-security-policy': 'default-src *',
        'x-kept': 'yes',
      });
      response.end('moved');
    });
    const reply = await send(
      '/cp/auth/login',
      {
        cookie: 'molecule_session=mine; cp=abc; molecule_session=again',
        authorization: 'Bearer theirs',
        connection: 'close, x-private',
        'x-private': 'hop',
        'proxy-authorization': 'Basic x',
        te: 'trailers',
        'x-forwarded-for': '198.51.100.1',
        'content-type': 'application/x-custom',
      },
      'PUT',
      'the body',
    );
    expect([reply.status, reply.text]).toEqual([307, 'moved']);
    expect(reply.headers).toMatchObject({
      location: `${pages.url}/elsewhere`,
      'set-cookie': ['cp=1; Path=/', 'other=2'],
      'x-kept': 'yes',
      'x-frame-options': 'DENY',
    });
    expect(reply.headers['content-security-policy']).toContain("default-src 'self'");
    for (const name of ['x-hop', 'proxy-authenticate', 'access-control-allow-origin'])
      expect([name, reply.headers[name]]).toEqual([name, undefined]);
    expect(pages.calls).toHaveLength(0);
    const [call] = controlPlane.calls;
    expect(call).toMatchObject({
      raw: 'the body',
      headers: { cookie: 'cp=abc', authorization: 'Bearer theirs', 'x-forwarded-for': '127.0.0.1' },
    });
    for (const name of ['x-private', 'proxy-authorization', 'te'])
      expect([name, call?.headers[name]]).toEqual([name, undefined]);
    expect(call?.headers.host).toBe(new URL(controlPlane.url).host);
  });

  it('writes for pages of our own origin and the listed ones only: the cookie comes along with any', async () => {
    const write = (origin: string) => send('/cp/orgs', { origin, cookie: 'cp=abc' }, 'POST', 'x');
    const refused = await write('https://evil.example');
    expect([refused.status, JSON.parse(refused.text).code, controlPlane.calls.length]).toEqual([
      403,
      'origin_refused',
      0,
    ]);
    for (const origin of [test.url, 'http://localhost:3000']) expect((await write(origin)).status).toBe(200);
  });

  it('takes a megabyte and no more, whether it says how much it is or not', async () => {
    const big = 'x'.repeat(1_048_577);
    expect((await send('/cp/orgs', { 'content-length': String(big.length) }, 'POST', big)).status).toBe(413);
    expect((await send('/cp/orgs', { 'transfer-encoding': 'chunked' }, 'POST', big)).status).toBe(413);
    expect(controlPlane.calls).toHaveLength(0);
    expect((await send('/cp/orgs', { 'transfer-encoding': 'chunked' }, 'POST', big.slice(1))).status).toBe(200);
    expect(controlPlane.calls[0]?.raw).toHaveLength(1_048_576);
  });

  it('streams: the first piece of an answer is there before the last is sent, and one that breaks off breaks off here', async () => {
    const first = Promise.withResolvers<void>();
    controlPlane.respond(async (_call, response) => {
      response.write('first');
      await first.promise;
      response.destroy();
    });
    const response = await fetch(`${test.url}/cp/orgs`);
    const reader = response.body?.getReader();
    expect(new TextDecoder().decode((await reader?.read())?.value)).toBe('first');
    first.resolve();
    await expect(reader?.read()).rejects.toThrow();
  });

  it('ends its call when the client leaves', async () => {
    const left = Promise.withResolvers<void>();
    controlPlane.respond((_call, response) => void response.once('close', left.resolve));
    const { hostname, port } = new URL(test.url);
    const client = connect(Number(port), hostname, () => client.write('GET /cp/orgs HTTP/1.1\r\nHost: x\r\n\r\n'));
    await controlPlane.waitForCalls(1);
    client.destroy();
    await left.promise;
  });

  it('without a control plane is 404, with one that does not answer 502', async () => {
    const bound = createServer().listen(0, '127.0.0.1');
    await new Promise((done) => bound.once('listening', done));
    const { port } = bound.address() as AddressInfo;
    await new Promise((done) => bound.close(done));
    const share = { db: test.db, dataDir: test.dataDir };
    const [none, dead] = [
      await startPlatform(share),
      await startPlatform({ ...share, env: { CP_UPSTREAM_URL: `http://127.0.0.1:${port}` } }),
    ];
    try {
      expect((await fetch(`${none.url}/cp/orgs`)).status).toBe(404);
      const reply = await fetch(`${dead.url}/cp/orgs`);
      expect([reply.status, await reply.json()]).toEqual([
        502,
        { error: 'the server behind this address does not answer', code: 'upstream_unreachable' },
      ]);
    } finally {
      await none.stop();
      await dead.stop();
    }
  });
});

describe('the canvas of another server', () => {
  it('is shown at every address the platform does not answer itself, and never sees a credential', async () => {
    pages.respond(
      (_call, response) => void response.writeHead(200, { 'set-cookie': 'molecule_session=fixed' }).end('page'),
    );
    const headers = {
      authorization: `Bearer ${test.adminToken}`,
      cookie: 'molecule_session=mine; cp=theirs',
      referer: `${test.url}/login?code=secret`,
    };
    for (const path of ['/', '/login?code=secret', '/assets/a.js?v=1', '//evil.example/x', '/../x']) {
      const reply = await send(path, headers);
      expect([path, reply.status, reply.text, reply.headers['set-cookie']]).toEqual([path, 200, 'page', undefined]);
      expect(reply.headers['content-security-policy']).toContain("script-src 'self'");
    }
    expect(pages.calls.map((call) => call.path)).toEqual([
      '/ui/',
      '/ui/login',
      '/ui/assets/a.js?v=1',
      '/ui//evil.example/x',
      '/ui/../x',
    ]);
    for (const call of pages.calls) {
      expect(JSON.stringify([call.headers, call.path])).not.toMatch(/secret|mine|theirs/);
      expect(call.headers.authorization ?? call.headers.cookie ?? call.headers.referer).toBeUndefined();
    }
    expect((await send('/health')).text).toContain('"status":"ok"');
    expect((await send('/workspaces', headers)).text).toBe('[]');
    expect((await send('/no-such-route', {}, 'POST')).status).toBe(404);
    expect(pages.calls).toHaveLength(5);
  });
});
