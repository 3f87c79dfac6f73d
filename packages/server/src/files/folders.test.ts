// The folders of a seat over HTTP: what is refused on every verb, what is written is read again, and who may.

import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApiError, FILE_LIMIT } from '@molecule/contract';
import { createSeat, failureOf, startPlatform, type TestPlatform } from '@molecule/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ProcessSeats, startProcessSeats } from '../../test/process-seats.ts';

const HEADERS = { 'content-type': 'application/json' };
let seats: ProcessSeats;
let id: string;
let without: TestPlatform;
let external: string;
let host: string;
let templates: string;

beforeAll(async () => {
  host = mkdtempSync(join(tmpdir(), 'molecule-host-'));
  templates = mkdtempSync(join(tmpdir(), 'molecule-templates-'));
  for (const [folder, files] of Object.entries({
    'sales-lead': { 'config.yaml': 'name: Something else\n', 'prompts/a.md': 'sell', '.env': 'KEY=secret' },
    other: { 'config.yaml': 'name: Market Analyst\n' },
  }))
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(join(templates, folder, 'prompts'), { recursive: true });
      writeFileSync(join(templates, folder, path), text);
    }
  seats = await startProcessSeats();
  id = await seats.create('', { workspace_dir: host, workspace_access: 'read_write' });
  await seats.until(id, 'online');
  without = await startPlatform({ env: { CONFIGS_DIR: templates } });
  external = (await createSeat(without)).id;
});
afterAll(async () => {
  await seats?.stop();
  await without?.stop();
  for (const folder of [host, templates]) rmSync(folder, { recursive: true, force: true });
});

/** As it stands in the request line; a client would tidy it up. */
function sendRaw(
  url: string,
  token: string,
  method: string,
  path: string,
  body = '',
): Promise<{ status: number; text: string }> {
  const { hostname, port } = new URL(url);
  const head = [
    `${method} ${path} HTTP/1.1`,
    'Host: x',
    `Authorization: Bearer ${token}`,
    'Connection: close',
    ...(body === '' ? [] : ['Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`]),
  ];
  return new Promise((resolve, reject) => {
    let text = '';
    const socket = connect(Number(port), hostname, () => socket.write(`${head.join('\r\n')}\r\n\r\n${body}`));
    socket.on('data', (chunk) => {
      text += String(chunk);
    });
    socket.on('end', () => resolve({ status: Number(text.split(' ')[1]), text }));
    socket.on('error', reject);
  });
}

/** What stands after `/files/` in the request line. */
const BAD_PATHS: [string, string][] = [
  ['empty', ''],
  ['a dot', '.'],
  ['a dot and a slash', './'],
  ['one up', '..'],
  ['up', '../a'],
  ['up in the middle', 'a/../../b'],
  ['up and down again', 'a/../b'],
  ['up at the end', 'a/..'],
  ['absolute', '/etc/passwd'],
  ['absolute, encoded', '%2Fetc%2Fpasswd'],
  ['up, encoded', '%2e%2e/a'],
  ['up, encoded slash', '..%2fa'],
  ['up, all encoded', '%2e%2e%2fetc%2fpasswd'],
  ['up with backslashes', '..%5ca'],
  ['a raw backslash', '..\\a'],
  ['a drive', 'C:%5cwindows'],
  ['NUL', 'a%00.md'],
  ['NUL behind a good name', 'config.yaml%00/../../x'],
  ['a line break', 'a%0d%0ab'],
  ['a very long path', 'a/'.repeat(600)],
  ['a very long name', 'x'.repeat(256)],
  ['many bytes in few characters', '%E2%82%AC'.repeat(100)],
  ['not UTF-8', '%ff%fe'],
  ['half an escape', '%2'],
  ["the seat's own token", '.auth_token'],
  ["the platform's secret, in other letters", './.Platform_Inbound_Secret'],
  ['below the token', '.auth_token/x'],
];

describe('the path rule', () => {
  const VERBS: [string, string][] = [
    ['GET', ''],
    ['PUT', '{"content":"planted"}'],
    ['DELETE', ''],
  ];

  it.each(BAD_PATHS)('30.54 %s: 400 on every verb, backend or not', async (_what, path) => {
    const places: [string, string, string][] = [
      [seats.url, seats.adminToken, id],
      [without.url, without.adminToken, external],
      // Not even whether there is such a workspace is told.
      [seats.url, seats.adminToken, '00000000-0000-4000-8000-000000000001'],
    ];
    for (const [url, token, workspace] of places)
      for (const [method, body] of VERBS) {
        const answer = await sendRaw(url, token, method, `/workspaces/${workspace}/files/${path}`, body);
        expect([method, answer.status, answer.text.slice(-200)]).toEqual([method, 400, expect.any(String)]);
        expect(answer.text).toMatch(/"code":"invalid_request"/);
      }
  });

  it('what is encoded twice, or only looks like up, is a name like any other', async () => {
    for (const path of ['%252e%252e/a.md', '..a/b..md', 'a...b']) {
      const url = `/workspaces/${id}/files/${path}`;
      expect((await sendRaw(seats.url, seats.adminToken, 'PUT', url, '{"content":"kept"}')).status).toBe(200);
      expect((await sendRaw(seats.url, seats.adminToken, 'GET', url)).text).toContain('"content":"kept"');
    }
    expect(readFileSync(seats.folder(id, 'configs/%2e%2e/a.md'), 'utf8')).toBe('kept');
  });

  it('30.54 one bad path among five in a replace: nothing is written', async () => {
    const good = ['one.md', 'two/three.md', 'four.md', 'five.md'];
    for (const bad of ['../a', '/etc/passwd', 'a/../../b', '', '.', 'a\\b', '.auth_token', 'x'.repeat(300)]) {
      const files = Object.fromEntries([...good.slice(0, 3), bad, ...good.slice(3)].map((path) => [path, 'x']));
      const refusal = await failureOf(seats.admin.replaceFiles({ params: { id }, body: { files } }));
      expect([bad, refusal.status, refusal.body.field]).toEqual([bad, 400, 'path']);
    }
    const seen = (await seats.admin.listFiles({ params: { id }, query: { depth: 5 } })).map((entry) => entry.path);
    expect(seen.filter((path) => good.includes(path))).toEqual([]);
  });

  it('the path of a listing is judged the same, and so are root and depth', async () => {
    for (const query of [
      { path: '../x' },
      { path: '/etc' },
      { path: 'a\\b' },
      { root: '/etc' },
      { depth: 0 },
      { depth: 6 },
    ]) {
      const refusal = await failureOf(seats.admin.listFiles({ params: { id }, query: query as never }));
      expect([query, refusal.status]).toEqual([query, 400]);
    }
  });
});

describe('files of a seat on this machine', () => {
  it('30.54 what PUT wrote, GET returns; the listing has it; DELETE takes it away, and only files', async () => {
    const content = 'häß\r\n\t"quoted" 🙂\n';
    const path = 'notes/deep/a file.md';
    expect(await seats.admin.writeFile({ params: { id, path }, body: { content } })).toEqual({ status: 'saved', path });
    expect(await seats.admin.readFile({ params: { id, path } })).toEqual({
      path,
      content,
      size: Buffer.byteLength(content),
    });
    expect(readFileSync(seats.folder(id, 'configs', path), 'utf8')).toBe(content);
    expect(await seats.admin.listFiles({ params: { id }, query: { path: 'notes', depth: 2 } })).toEqual([
      { path: 'notes/deep', size: 0, dir: true },
      { path, size: Buffer.byteLength(content), dir: false },
    ]);
    for (const folder of ['notes', 'notes/deep', 'nothing.md'])
      expect((await failureOf(seats.admin.deleteFile({ params: { id, path: folder } }))).status).toBe(404);
    await seats.admin.writeFile({ params: { id, path: 'notes.md' }, body: { content: '' } });
    const gone = { params: { id, path: 'notes.md' } };
    expect(await seats.admin.deleteFile(gone)).toEqual({ status: 'deleted', path: 'notes.md' });
    expect((await failureOf(seats.admin.readFile(gone))).code).toBe('not_found');
    expect(
      (await failureOf(seats.admin.writeFile({ params: { id, path: 'notes' }, body: { content: 'x' } }))).status,
    ).toBe(400);
  });

  it('the four roots are its own folders, its workspace the host directory it was given, and only /configs is written', async () => {
    writeFileSync(join(host, 'README.md'), 'of the host');
    writeFileSync(seats.folder(id, 'home/kept'), 'home');
    const read = (root: string, path: string) =>
      seats.admin.readFile({ params: { id, path }, query: { root: root as never } });
    expect((await read('/workspace', 'README.md')).content).toBe('of the host');
    expect((await read('/home', 'kept')).content).toBe('home');
    const inHome = await seats.admin.listFiles({ params: { id }, query: { root: '/home' } });
    expect(inHome.map((entry) => entry.path)).toContain('environment.json');
    expect(await seats.admin.listFiles({ params: { id }, query: { root: '/plugins' } })).toEqual([]);
    for (const method of ['PUT', 'DELETE']) {
      const path = `/workspaces/${id}/files/README.md?root=/workspace`;
      const response = await seats.admin.raw(method, path, { headers: HEADERS, body: '{"content":"x"}' });
      expect([method, response.status]).toEqual([method, 400]);
    }
    expect(readFileSync(join(host, 'README.md'), 'utf8')).toBe('of the host');
  });

  it('credentials of the seat are neither listed nor read, not by a link either way round', async () => {
    const paths = (await seats.admin.listFiles({ params: { id } })).map((entry) => entry.path);
    expect(paths).toContain('config.yaml');
    expect(paths.filter((path) => path.startsWith('.auth') || path.startsWith('.platform'))).toEqual([]);
    symlinkSync(seats.dataDir, seats.folder(id, 'configs/data'));
    for (const path of ['data/admin-token', 'data/workspaces'])
      expect((await failureOf(seats.admin.readFile({ params: { id, path } }))).status).toBe(404);
    const write = seats.admin.writeFile({ params: { id, path: 'data/planted' }, body: { content: 'x' } });
    expect(await failureOf(write)).toMatchObject({ status: 400, code: 'invalid_request' });
    expect(existsSync(join(seats.dataDir, 'planted'))).toBe(false);
    rmSync(seats.folder(id, 'configs/data'));
  });

  it('what is no text comes as base64; what is too large is 413 both ways', async () => {
    writeFileSync(join(host, 'logo.png'), Buffer.from([0x89, 0x50, 0xff, 0x00]));
    const query = { root: '/workspace' as const };
    expect(await seats.admin.readFile({ params: { id, path: 'logo.png' }, query })).toEqual({
      path: 'logo.png',
      content: Buffer.from([0x89, 0x50, 0xff, 0x00]).toString('base64'),
      size: 4,
      encoding: 'base64',
    });
    writeFileSync(join(host, 'large'), Buffer.alloc(FILE_LIMIT + 1, 'x'));
    expect(await failureOf(seats.admin.readFile({ params: { id, path: 'large' }, query }))).toMatchObject({
      status: 413,
      body: { max_bytes: FILE_LIMIT },
    });
    const whole = 'x'.repeat(FILE_LIMIT);
    await seats.admin.writeFile({ params: { id, path: 'large.md' }, body: { content: whole } });
    expect((await seats.admin.readFile({ params: { id, path: 'large.md' } })).size).toBe(FILE_LIMIT);
    const write = seats.admin.writeFile({ params: { id, path: 'larger.md' }, body: { content: `${whole}x` } });
    expect((await failureOf(write)).status).toBe(413);
  });

  it('a replace takes 200 files and no more, says where they went, and works while the agent is stopped', async () => {
    const many = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, at) => [`many/${at}.md`, String(at)]));
    const replace = (files: Record<string, string>) => seats.admin.replaceFiles({ params: { id }, body: { files } });
    expect(await failureOf(replace(many(201)))).toMatchObject({ status: 400, body: { field: 'files' } });
    expect(await replace(many(200))).toEqual({ status: 'replaced', workspace: id, files: 200, source: 'directory' });
    await seats.platform.provisioning.stop(id);
    expect((await seats.admin.readFile({ params: { id, path: 'many/199.md' } })).content).toBe('199');
  });

  it('a replace writes a config.yaml where there is none, and leaves the one that is there', async () => {
    const fresh = await seats.create('', { name: 'Fresh "seat"', role: 'tests: things', tier: 2 });
    await seats.until(fresh, 'online');
    rmSync(seats.folder(fresh, 'configs/config.yaml'));
    const replace = (files: Record<string, string>) =>
      seats.admin.replaceFiles({ params: { id: fresh }, body: { files } });
    expect(await replace({ 'a.md': 'x' })).toMatchObject({ files: 1 });
    const generated = readFileSync(seats.folder(fresh, 'configs/config.yaml'), 'utf8');
    expect(generated).toContain('name: "Fresh \\"seat\\""');
    expect(generated).toContain('runtime: "echo"');
    await replace({ 'config.yaml': 'name: mine\n' });
    await replace({ 'b.md': 'x' });
    expect(readFileSync(seats.folder(fresh, 'configs/config.yaml'), 'utf8')).toBe('name: mine\n');
  });

  it("a failure of the store is one sentence without its words, and another seat's files are nobody's business", async () => {
    const other = await seats.create();
    await seats.until(other, 'online');
    const token = (await seats.admin.createToken({ params: { id: other } })).auth_token;
    expect((await failureOf(seats.client(token).readFile({ params: { id, path: 'config.yaml' } }))).status).toBe(401);
    expect((await seats.client(token).readFile({ params: { id: other, path: 'config.yaml' } })).size).toBeGreaterThan(
      0,
    );
    rmSync(seats.folder(other, 'seat.json'));
    mkdirSync(seats.folder(other, 'seat.json'));
    const failure = await failureOf(seats.admin.listFiles({ params: { id: other }, query: { root: '/workspace' } }));
    expect(failure).toMatchObject({ status: 500, code: 'files_failed' });
    expect(JSON.stringify(failure.body)).not.toMatch(/EISDIR|seat\.json|\/tmp/);
  });
});

describe('where the platform has no way to the files', () => {
  it('reads and lists the template of that name, its hidden files left out, and refuses to write', async () => {
    for (const [name, files] of [
      ['Sales Lead', ['config.yaml', 'prompts', 'prompts/a.md']],
      ['Market Analyst', ['config.yaml', 'prompts']],
      ['Nobody', []],
    ] as const) {
      const seat = await createSeat(without, { name });
      const entries = await without.admin.listFiles({ params: { id: seat.id }, query: { depth: 2 } });
      expect([name, entries.map((entry) => entry.path)]).toEqual([name, [...files]]);
      const read = (path: string) => without.admin.readFile({ params: { id: seat.id, path } });
      if (name === 'Sales Lead') expect((await read('prompts/a.md')).content).toBe('sell');
      else expect((await failureOf(read('prompts/a.md'))).status).toBe(404);
      expect((await failureOf(read('.env'))).status).toBe(404);
      expect(await without.admin.listFiles({ params: { id: seat.id }, query: { root: '/workspace' } })).toEqual([]);
      const calls = [
        () => without.admin.writeFile({ params: { id: seat.id, path: 'a.md' }, body: { content: 'x' } }),
        () => without.admin.replaceFiles({ params: { id: seat.id }, body: { files: {} } }),
        () => without.admin.deleteFile({ params: { id: seat.id, path: 'config.yaml' } }),
      ];
      for (const call of calls) expect(await failureOf(call())).toMatchObject({ code: 'files_unavailable' });
    }
    expect(existsSync(join(templates, 'sales-lead/config.yaml'))).toBe(true);
  });

  it('an unknown and a removed workspace are 404 on every verb', async () => {
    const removed = (await createSeat(without)).id;
    await without.admin.deleteWorkspace({ params: { id: removed } });
    for (const target of [removed, '00000000-0000-4000-8000-000000000001'])
      for (const call of [
        () => without.admin.listFiles({ params: { id: target } }),
        () => without.admin.readFile({ params: { id: target, path: 'a' } }),
        () => without.admin.writeFile({ params: { id: target, path: 'a' }, body: { content: '' } }),
        () => without.admin.replaceFiles({ params: { id: target }, body: { files: {} } }),
        () => without.admin.deleteFile({ params: { id: target, path: 'a' } }),
      ]) {
        const error = await failureOf(call());
        expect(error).toBeInstanceOf(ApiError);
        expect([error.status, error.code]).toEqual([404, 'not_found']);
      }
  });
});
