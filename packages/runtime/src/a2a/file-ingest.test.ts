// Files that come in (chapter 40 §12), through the real server on a real socket.

import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startTestAgent, type TestAgent } from '../../test/test-agent.ts';

const SECRET = 'inbound-secret';
const MEGABYTE = 1024 * 1024;

async function startHolder(): Promise<{ test: TestAgent; folder: string }> {
  const test = await startTestAgent();
  return { test, folder: join(test.workspaceRoot, '.molecule/chat-uploads') };
}

const keepSecret = (test: TestAgent) =>
  writeFileSync(join(test.configDir, '.platform_inbound_secret'), SECRET, { mode: 0o600 });

function formOf(files: { name: string; content: string | Uint8Array<ArrayBuffer>; type?: string }[]): FormData {
  const form = new FormData();
  for (const { name, content, type } of files) form.append('files', new Blob([content], type ? { type } : {}), name);
  return form;
}

async function upload(test: TestAgent, body: FormData | string, bearer: string | null = SECRET, headers = {}) {
  const response = await fetch(`${test.agent.url}/internal/chat/uploads/ingest`, {
    method: 'POST',
    body,
    headers: { ...headers, ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }) },
  });
  return {
    status: response.status,
    body: (await response.json()) as {
      files?: { uri: string; name: string; mimeType: string; size: number }[];
      error?: string;
      code?: string;
    },
  };
}

describe('POST /internal/chat/uploads/ingest', () => {
  it('R29 no secret file, a wrong and the right bearer → 401, 401, 200', async () => {
    const form = () => formOf([{ name: 'a.txt', content: 'hello' }]);
    const { test: without } = await startHolder();
    const { test } = await startHolder();
    keepSecret(test);
    const statuses = [
      (await upload(without, form())).status,
      (await upload(test, form(), 'wrong')).status,
      (await upload(test, form())).status,
    ];
    expect(statuses).toEqual([401, 401, 200]);
  });

  it('stores every file privately under a random name and tells type and size', async () => {
    const { test, folder } = await startHolder();
    keepSecret(test);
    const { body } = await upload(
      test,
      formOf([
        { name: 'a.txt', content: 'hello', type: 'application/octet-stream' },
        { name: 'b.bin', content: new Uint8Array([1, 2, 3]), type: 'image/png' },
      ]),
    );
    expect(body.files?.map(({ name, mimeType, size }) => [name, mimeType, size])).toEqual([
      ['a.txt', 'text/plain', 5],
      ['b.bin', 'image/png', 3],
    ]);
    const [first] = body.files ?? [];
    expect(first?.uri).toMatch(/^workspace:\/workspace\/\.molecule\/chat-uploads\/[0-9a-f]{32}-a\.txt$/);
    const stored = join(folder, first?.uri.split('/').at(-1) ?? '');
    expect(readFileSync(stored, 'utf8')).toBe('hello');
    expect(statSync(stored).mode & 0o777).toBe(0o600);
  });

  it('R30 51 MB by Content-Length → 413 unread; a part of 26 MB → 413 naming it, and nothing is left', async () => {
    const { test, folder } = await startHolder();
    keepSecret(test);
    const { hostname, port } = new URL(test.agent.url);
    const socket = connect(Number(port), hostname);
    onTestFinished(() => void socket.destroy());
    // Not one byte of the body is sent: the answer cannot have waited for it.
    socket.write(
      `POST /internal/chat/uploads/ingest HTTP/1.1\r\nhost: agent\r\nauthorization: Bearer ${SECRET}\r\n` +
        `content-type: multipart/form-data; boundary=x\r\ncontent-length: ${51 * MEGABYTE}\r\n\r\n`,
    );
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 413 /);

    const { status, body } = await upload(
      test,
      formOf([
        { name: 'small.txt', content: 'x' },
        { name: 'huge.bin', content: new Uint8Array(26 * MEGABYTE) },
      ]),
    );
    expect([status, body.error]).toEqual([413, expect.stringContaining('huge.bin')]);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('R31 names are sanitised and stay inside the folder; a link in their place is refused', async () => {
    const { test, folder } = await startHolder();
    keepSecret(test);
    const names = ['../../etc/passwd', 'a b.txt', `${'n'.repeat(300)}.tar.gz`, '..', '🎉.png'];
    const { body } = await upload(test, formOf(names.map((name) => ({ name, content: 'x' }))));
    const stored = body.files?.map(({ name }) => name) ?? [];
    expect(stored.slice(0, 2)).toEqual(['passwd', 'a_b.txt']);
    expect(stored[2]).toHaveLength(100);
    expect(stored[2]).toMatch(/\.gz$/);
    expect(stored[3]).toBe('file');
    expect(stored[4]).toMatch(/^_+\.png$/);
    expect(readdirSync(folder)).toHaveLength(names.length);

    const outside = mkdtempSync(join(tmpdir(), 'molecule-outside-'));
    onTestFinished(() => rmSync(outside, { recursive: true, force: true }));
    rmSync(folder, { recursive: true });
    mkdirSync(join(folder, '..'), { recursive: true });
    symlinkSync(outside, folder);
    const refused = await upload(test, formOf([{ name: 'a.txt', content: 'x' }]));
    expect([refused.status, refused.body.code]).toEqual([403, 'forbidden_path']);
    expect(readdirSync(outside)).toEqual([]);
  });

  it('a form that is malformed, cut off or without files is refused with the parser’s words', async () => {
    const { test, folder } = await startHolder();
    keepSecret(test);
    const plain = await upload(test, 'hello', SECRET, { 'content-type': 'text/plain' });
    const cut = await upload(
      test,
      '--x\r\ncontent-disposition: form-data; name="files"; filename="a.txt"\r\n\r\nhalf',
      SECRET,
      { 'content-type': 'multipart/form-data; boundary=x' },
    );
    const empty = await upload(test, formOf([]));
    expect([plain, cut, empty].map(({ status }) => status)).toEqual([400, 400, 400]);
    expect(cut.body.error).toMatch(/form cannot be read: ./);
    expect(empty.body.code).toBe('no_files');
    expect(readdirSync(folder)).toEqual([]);
  });
});
