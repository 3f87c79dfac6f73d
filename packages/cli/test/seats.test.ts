// Seats, secrets and tokens from the command line, against a real platform.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createClient } from '@molecule/contract';
import { startPlatform, type TestPlatform, waitFor } from '@molecule/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { accessTo, BIN, begin, endCommands, run } from './cli.ts';

afterAll(endCommands);

let test: TestPlatform;
let env: Record<string, string>;
beforeAll(async () => {
  test = await startPlatform();
  env = accessTo(test);
});
afterAll(async () => {
  await test?.stop();
});

const molecule = (...args: string[]) => run(args, env);
const listNames = async () => (await test.admin.listWorkspaces()).map(({ name }) => name);

describe('workspace', () => {
  it('create, list, get and delete one, found by name', async () => {
    const made = await molecule(
      'workspace',
      'create',
      'Chief of Staff',
      '--role',
      'leads',
      '--tier',
      '2',
      '--external',
      '--json',
    );
    expect(made).toMatchObject({ code: 0, err: '' });
    const id = String(made.json().id);
    const child = await molecule('workspace', 'create', 'Laptop', '--external', '--under', 'chief');
    expect([child.code, child.err]).toEqual([0, expect.stringMatching(/^Laptop is created: [0-9a-f-]{36}\n/)]);
    expect(child.out).toMatch(/^# Connects the seat with nothing but Python 3[\s\S]*def answer\(text\):/);
    const list = await molecule('workspace', 'list');
    expect(list.out).toMatch(/^Chief of Staff +leads +external +T2 +awaiting_agent +/m);
    expect(list.out).toMatch(/^ {2}Laptop /m);
    const [shown, program] = [
      await molecule('workspace', 'get', 'laptop'),
      await molecule('workspace', 'get', 'chief', '--json'),
    ];
    expect(shown.out).toMatch(/^status +awaiting_agent: waits for its agent to connect\nunder +Chief of Staff$/m);
    expect(program.json()).toMatchObject({ ok: true, workspace: { id, role: 'leads', tier: 2 } });

    const refused = await molecule('workspace', 'delete', 'chief');
    expect([refused.code, refused.err]).toEqual([
      1,
      'molecule: Chief of Staff has workspaces under it, which would go too: Laptop\n          molecule workspace delete "Chief of Staff" --with-children\n',
    ]);
    expect(await listNames()).toEqual(['Chief of Staff', 'Laptop']);
    expect(await molecule('workspace', 'delete', 'chief', '--with-children')).toMatchObject({
      code: 0,
      out: 'Chief of Staff is removed, and 1 under it\n',
    });
    expect(await listNames()).toEqual([]);
  });

  it('says what is wrong, and creates nothing then', async () => {
    const wrong = await Promise.all([
      molecule('workspace', 'create', 'X', '--runtime', 'abacus', '--json'),
      molecule('workspace', 'create', 'X', '--tier', '9'),
      molecule('workspace', 'create', 'X', '--under', 'nobody'),
      molecule('workspace', 'delete', 'nobody'),
    ]);
    expect(wrong.map(({ code }) => code)).toEqual([1, 2, 2, 2]);
    expect(wrong[0]?.json()).toMatchObject({ ok: false, code: 'unknown_runtime' });
    expect(await listNames()).toEqual([]);
  });
});

describe('secret', () => {
  it('set reads the value from standard input, for all or for one workspace; list shows names; delete ends them', async () => {
    const { id } = await test.admin.createWorkspace({ body: { name: 'Coder', external: true } });
    expect(await run(['secret', 'set', 'API_KEY'], env, 'global value\n')).toMatchObject({
      code: 0,
      out: 'API_KEY is saved for all workspaces; what uses it restarts\n',
    });
    const own = await run(['secret', 'set', 'API_KEY', '-w', 'coder', '--json'], env, 'two\nlines\n\n');
    expect(own.json()).toEqual({ ok: true, status: 'saved', key: 'API_KEY', workspace_id: id });
    await run(['secret', 'set', 'OTHER'], env, 'x');
    const { auth_token } = await test.admin.createToken({ params: { id } });
    const readValues = () => createClient({ baseUrl: test.url, token: auth_token }).getSecretValues({ params: { id } });
    expect(await readValues()).toEqual({ API_KEY: 'two\nlines\n', OTHER: 'x' });

    const [all, one] = [await molecule('secret', 'list'), await molecule('secret', 'list', '-w', 'coder')];
    expect(all.out).toMatch(/^API_KEY +all workspaces/m);
    expect(one.out).toMatch(/^API_KEY +it alone[\s\S]*^OTHER +all workspaces/m);
    for (const { out } of [all, one]) expect(out).not.toMatch(/value|lines/);

    expect(await molecule('secret', 'delete', 'API_KEY', '-w', 'coder')).toMatchObject({ code: 0 });
    expect(await readValues()).toEqual({ API_KEY: 'global value', OTHER: 'x' });
    expect(await molecule('secret', 'delete', 'API_KEY', '-w', 'coder')).toMatchObject({
      code: 2,
      err: expect.stringContaining('there is no secret API_KEY'),
    });
  });

  it('no value and a bad name change nothing', async () => {
    const before = await test.admin.listGlobalSecrets();
    const [none, bad] = [
      await molecule('secret', 'set', 'EMPTY'),
      await run(['secret', 'set', '1BAD', '--json'], env, 'x'),
    ];
    expect(none).toMatchObject({ code: 2, err: expect.stringContaining('molecule secret set EMPTY < file') });
    expect([bad.code, bad.json()]).toMatchObject([1, { code: 'invalid_request' }]);
    expect(await test.admin.listGlobalSecrets()).toEqual(before);
  });

  it('typed at a terminal it is asked for and not shown', async ({ skip }) => {
    skip(
      process.platform !== 'linux' || !existsSync('/usr/bin/script'),
      'there is no script(1) to make a terminal with',
    );
    const child = spawn('/usr/bin/script', ['-qec', `"${process.execPath}" "${BIN}" secret set TYPED`, '/dev/null'], {
      env: { PATH: process.env.PATH ?? '', ...env },
    });
    let screen = '';
    child.stdout.on('data', (chunk: Buffer) => {
      screen += chunk;
    });
    const ended = once(child, 'close');
    await waitFor('the question', () => screen.includes('Value of TYPED, which is not shown'), 40_000);
    child.stdin.write('s3cret-value\r');
    expect((await ended)[0]).toBe(0);
    expect(screen).toContain('TYPED is saved');
    expect(screen).not.toContain('s3cret');
    expect((await test.admin.listGlobalSecrets()).map(({ key }) => key)).toContain('TYPED');
  });

  it('a value never stands on the command line', async () => {
    expect((await molecule('secret', 'set', 'KEY', 'value')).code).toBe(2);
  });
});

describe('token', () => {
  it('create prints the token alone on stdout, list shows how it begins, revoke ends it', async () => {
    const { id } = await test.admin.createWorkspace({ body: { name: 'Runner', runtime: 'echo' } });
    const beat = (token: string) =>
      createClient({ baseUrl: test.url, token })
        .heartbeat({ body: { workspace_id: id } })
        .then(
          () => 200,
          (error: { status: number }) => error.status,
        );
    const made = await molecule('token', 'create', '-w', 'runner');
    const token = made.out.trim();
    expect([made.code, token, made.err]).toEqual([
      0,
      expect.stringMatching(/^[\w-]{43}$/),
      expect.stringContaining('shown only now'),
    ]);
    expect(await beat(token)).toBe(200);
    const listed = (await molecule('token', 'list', '-w', 'runner', '--json')).json().tokens as {
      id: string;
      prefix: string;
    }[];
    expect(listed.map(({ prefix }) => prefix)).toEqual([token.slice(0, 8)]);
    expect(await molecule('token', 'revoke', '-w', 'runner', '--', token.slice(0, 8))).toMatchObject({ code: 0 });
    expect(await beat(token)).toBe(401);
    expect(await molecule('token', 'revoke', '-w', 'runner', listed[0]?.id ?? '')).toMatchObject({ code: 2 });
  });

  it('without a workspace they are the organisation’s, with a name', async () => {
    const made = (await molecule('token', 'create', '--name', 'ci', '--json')).json();
    const asCi = (...args: string[]) => begin(args, { ...env, MOLECULE_TOKEN: String(made.token) }).ended;
    expect((await asCi('workspace', 'list')).code).toBe(0);
    expect((await molecule('token', 'list')).out).toMatch(new RegExp(`^${String(made.token).slice(0, 8)} +ci `, 'm'));
    expect((await molecule('token', 'revoke', '--', String(made.token).slice(0, 8))).code).toBe(0);
    expect(await asCi('workspace', 'list')).toMatchObject({ code: 1, err: expect.stringContaining('does not accept') });
    expect(await molecule('token', 'create', '--name', 'ci', '-w', 'runner')).toMatchObject({ code: 2 });
  });
});
