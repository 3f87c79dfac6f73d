// Reading one file for the platform, over a real socket and a real disk.

import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { createFolder, startTestAgent, type TestAgent } from '../../test/test-agent.ts';

const SECRET = 'inbound-secret';

interface Read {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  text: string;
}

async function start(): Promise<TestAgent> {
  const test = await startTestAgent({ env: { MOLECULE_INBOUND_SECRET: SECRET, HOME: createFolder() } });
  writeFileSync(join(test.workspaceRoot, 'plan.md'), 'step one\n');
  return test;
}

/** With node:http, because fetch would tidy the path up. */
function read(test: TestAgent, path: string, headers: Record<string, string> = {}): Promise<Read> {
  return new Promise((resolve, reject) => {
    const call = request(
      `${test.agent.url}/internal/file/read?path=${encodeURIComponent(path)}`,
      { headers: { authorization: `Bearer ${SECRET}`, ...headers } },
      async (response) => {
        const chunks: Buffer[] = [];
        for await (const chunk of response) chunks.push(chunk as Buffer);
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: Buffer.concat(chunks).toString(),
        });
      },
    );
    call.on('error', reject);
    call.end();
  });
}

it('R32 refuses what is not a plain file below a root, streams what is, and lets no name out of its header', async () => {
  const test = await start();
  const outside = createFolder();
  writeFileSync(join(outside, 'secret.txt'), 'secret');
  symlinkSync(join(outside, 'secret.txt'), join(test.workspaceRoot, 'link.txt'));
  symlinkSync(outside, join(test.workspaceRoot, 'linked'));
  mkdirSync(join(test.workspaceRoot, 'folder'));
  writeFileSync(join(test.configDir, '.auth_token'), 'token');
  writeFileSync(join(test.configDir, '.auth_token.99.abcd'), 'token being written');

  const refused: [string, number][] = [
    ['plan.md', 400],
    ['', 400],
    ['/workspace/../configs/config.yaml', 400],
    ['/workspace//plan.md', 400],
    ['/workspace/./plan.md', 400],
    ['/etc/passwd', 400],
    ['/workspaces/plan.md', 400],
    ['/workspace', 400],
    ['/workspace/', 400],
    ['/workspace/plan.md\0.png', 400],
    ['/workspace/link.txt', 403],
    ['/workspace/linked/secret.txt', 403],
    ['/workspace/folder', 403],
    ['/configs/.auth_token', 403],
    ['/configs/.auth_token.99.abcd', 403],
    ['/configs/.platform_inbound_secret', 403],
    ['/workspace/no-such.md', 404],
    ['/workspace/plan.md/deeper', 404],
  ];
  for (const [path, status] of refused) {
    const reply = await read(test, path);
    expect([path, reply.status]).toEqual([path, status]);
    expect(reply.text).not.toContain('secret"');
    expect(JSON.parse(reply.text)).toHaveProperty('code');
  }

  const plain = await read(test, '/workspace/plan.md');
  expect(plain).toMatchObject({
    status: 200,
    text: 'step one\n',
    headers: {
      'content-type': 'text/markdown',
      'content-length': '9',
      'content-disposition': `attachment; filename="plan.md"; filename*=UTF-8''plan.md`,
    },
  });
  expect((await read(test, '/configs/config.yaml')).status).toBe(200);

  const name = 'a"b\r\nc\\é(1).txt';
  writeFileSync(join(test.workspaceRoot, name), 'x');
  const odd = await read(test, `/workspace/${name}`);
  expect(odd.status).toBe(200);
  expect(odd.headers['content-disposition']).toBe(
    `attachment; filename="a\\"b__c\\\\_(1).txt"; filename*=UTF-8''a%22b%0D%0Ac%5C%C3%A9%281%29.txt`,
  );
});

it('sends the range that is asked for', async () => {
  const test = await start();
  const ranges: [string, number, string, string | undefined][] = [
    ['bytes=0-3', 206, 'step', 'bytes 0-3/9'],
    ['bytes=5-', 206, 'one\n', 'bytes 5-8/9'],
    ['bytes=-4', 206, 'one\n', 'bytes 5-8/9'],
    ['bytes=0-99', 206, 'step one\n', 'bytes 0-8/9'],
    ['bytes=9-', 416, '', 'bytes */9'],
    ['lines=1-2', 200, 'step one\n', undefined],
  ];
  for (const [range, status, text, contentRange] of ranges) {
    const reply = await read(test, '/workspace/plan.md', { range });
    expect([range, reply.status, reply.text, reply.headers['content-range']]).toEqual([
      range,
      status,
      text,
      contentRange,
    ]);
  }
  writeFileSync(join(test.workspaceRoot, 'empty.txt'), '');
  expect(await read(test, '/workspace/empty.txt')).toMatchObject({ status: 200, text: '' });
});

it('opens for the inbound secret alone', async () => {
  const test = await start();
  for (const authorization of ['Bearer wrong', '', `Basic ${SECRET}`])
    expect((await read(test, '/workspace/plan.md', { authorization })).status).toBe(401);
});
