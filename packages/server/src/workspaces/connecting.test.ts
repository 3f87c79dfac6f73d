// Connecting an external seat: its credentials, and the snippets, which are run as their reader would run them. The agents'
// own programs are stand-ins on the PATH; shell, curl, Python, platform and HTTP are real.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ConnectionBlock } from '@molecule/contract';
import {
  createSeat,
  failureOf,
  sendA2a,
  startPlatform,
  type TestPlatform,
  textRequest,
  waitFor,
} from '@molecule/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildConnection } from './connection.ts';

const UNKNOWN = '00000000-0000-4000-8000-000000000001';
/** A program that starts and polls every two seconds, on a machine that is busy with other suites. */
const PROGRAM_MS = 30_000;
const TEST_MS = 90_000;

let test: TestPlatform;
let folder: string;
const running: ChildProcess[] = [];

beforeAll(async () => {
  test = await startPlatform();
  folder = mkdtempSync(join(tmpdir(), 'molecule-connecting-'));
});
afterAll(async () => {
  for (const child of running) signal(child, 'SIGKILL');
  await test?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const has = (program: string) => {
  try {
    execFileSync('/bin/sh', ['-c', `command -v ${program} && ${program} --version`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};
const HAS_CURL = has('curl');
const HAS_PYTHON = has('python3');

async function createExternal(name = 'laptop'): Promise<ConnectionBlock> {
  const { connection } = await test.admin.createWorkspace({ body: { name, external: true } });
  if (!connection) throw new Error('an external seat comes with its connection');
  return connection;
}
const statusOf = async (id: string) => (await test.admin.getWorkspaceState({ params: { id } })).status;
const rotate = (id: string) => test.admin.rotateCredentials({ params: { id } });
const showConnection = (id: string) => test.admin.getConnection({ params: { id } });
const beatWith = (token: string, id: string) => test.client(token).heartbeat({ body: { workspace_id: id } });

const makeFolder = () => mkdtempSync(join(folder, 'run-'));

/** To the child and everything it started; nothing when it has ended. */
function signal(child: ChildProcess, name: NodeJS.Signals): void {
  if (child.pid && child.exitCode === null && child.signalCode === null) process.kill(-child.pid, name);
}

interface Program {
  output(): string;
  ended: Promise<number | null>;
  /** As Ctrl-C does: to everything the shell started. */
  interrupt(): Promise<void>;
}

/** Runs a snippet in a folder of its own, with nothing of this process's environment but where programs are. */
function start(
  program: string,
  args: string[],
  {
    input = '',
    path = process.env.PATH ?? '',
    cwd = makeFolder(),
  }: { input?: string; path?: string; cwd?: string } = {},
): Program {
  const child = spawn(program, args, { cwd, env: { PATH: path, HOME: process.env.HOME ?? cwd }, detached: true });
  running.push(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk;
    });
  const ended = once(child, 'close').then(([code]) => code as number | null);
  child.stdin.end(input);
  return {
    output: () => output,
    ended,
    async interrupt() {
      signal(child, 'SIGINT');
      await ended;
    },
  };
}
const runShell = (input: string, path?: string) =>
  start('/bin/sh', ['-s'], { input, ...(path === undefined ? {} : { path }) });

/** What a seat told its person, oldest first. */
async function listSaid(id: string): Promise<string[]> {
  const rows = await test.admin.listActivity({ params: { id }, query: { type: 'a2a_receive' } });
  return rows
    .filter(({ method }) => method === 'notify')
    .map(({ response_body }) => (response_body as { result: string }).result)
    .reverse();
}

async function untilConnected(program: Program, id: string): Promise<void> {
  await waitFor(
    'the seat is online',
    async () => {
      if (await Promise.race([program.ended.then(() => true), Promise.resolve(false)]))
        throw new Error(`the program ended: ${program.output()}`);
      return (await statusOf(id)) === 'online';
    },
    PROGRAM_MS,
  );
}
const untilSaid = (id: string, text: string) =>
  waitFor(`the seat says ${text}`, async () => (await listSaid(id)).includes(text), PROGRAM_MS);

describe('credentials', () => {
  it('10.53 20.90 rotate: the old token 401, the new works; connection shows no token and touches none; non-external 400; no MOLECULE_ORG_ID', async () => {
    const { workspace_id: id, auth_token: old } = await createExternal();
    const spare = (await test.admin.createToken({ params: { id } })).auth_token;
    expect(await beatWith(old, id)).toMatchObject({ status: 'ok' });

    const shown = (await showConnection(id)).connection;
    expect(shown).toMatchObject({ workspace_id: id, platform_url: test.url, auth_token: '' });
    expect(await test.client(old).getConnection({ params: { id } })).toEqual({ connection: shown });
    expect(await beatWith(old, id)).toMatchObject({ status: 'ok' });

    const { connection } = await rotate(id);
    expect(connection.auth_token).toMatch(/^[A-Za-z0-9_-]{43}$/);
    for (const dead of [old, spare]) expect((await failureOf(beatWith(dead, id))).status).toBe(401);
    expect(await beatWith(connection.auth_token, id)).toMatchObject({ status: 'ok' });
    const prefix = connection.auth_token.slice(0, 8);
    expect((await test.admin.listTokens({ params: { id } })).tokens.map((token) => token.prefix)).toEqual([prefix]);
    const [event] = await test.admin.listWorkspaceEvents({ params: { id } });
    expect([event?.event_type, event?.payload]).toEqual(['EXTERNAL_CREDENTIALS_ROTATED', { token_prefix: prefix }]);

    const inside = await createSeat(test, { external: false, runtime: 'echo' });
    for (const call of [rotate, showConnection]) {
      const refused = await failureOf(call(inside.id));
      expect([refused.status, refused.code, refused.body.field]).toEqual([400, 'invalid_request', 'id']);
      expect(refused.message).toContain('restart');
    }
    const ours = test.client(inside.token).listTokens({ params: { id: inside.id } });
    expect((await ours).count).toBe(1);
    for (const block of [shown, connection]) expect(JSON.stringify(block)).not.toContain('MOLECULE_ORG_ID');
    const built = JSON.stringify(buildConnection({ workspaceId: id, name: 'x', platformUrl: 'https://x/', token: '' }));
    expect([built.includes('https://x/registry'), built.includes('https://x//')]).toEqual([true, false]);
  });

  it('20.89 created without an address it waits for its agent, with every snippet; what is installed comes before what is started; run twice they parse', async () => {
    const response = await test.admin.raw('POST', '/workspaces', {
      body: JSON.stringify({ name: 'laptop', external: true }),
      headers: { 'content-type': 'application/json' },
    });
    const created = (await response.json()) as { id: string; connection: Record<string, string> };
    expect([response.status, await statusOf(created.id)]).toEqual([201, 'awaiting_agent']);
    const { connection } = created;
    for (const field of Object.keys(SNIPPETS)) expect(connection[field]).toContain(created.id);
    expect(JSON.stringify(connection)).not.toContain('MOLECULE_ORG_ID');
    const claude = connection.claude_code_channel_snippet ?? '';
    expect(claude.indexOf('npm install')).toBeLessThan(claude.indexOf('["claude"'));
    for (const field of ['hermes_channel_snippet', 'codex_snippet']) {
      const twice = `${connection[field]}\n${connection[field]}`;
      execFileSync('/bin/sh', ['-n'], { input: twice, stdio: ['pipe', 'ignore', 'pipe'] });
    }
  });

  it('the seat rotates its own; unknown and removed seats → 404; of two rotations at once one token remains', async () => {
    const { workspace_id: id, auth_token } = await createExternal();
    const own = await test.client(auth_token).rotateCredentials({ params: { id } });
    const both = await Promise.all([rotate(id), rotate(id)]);
    const live = await Promise.all(
      [own, ...both].map(({ connection }) =>
        beatWith(connection.auth_token, id).then(
          () => 200,
          ({ status }) => status,
        ),
      ),
    );
    expect(live.sort()).toEqual([200, 401, 401]);
    await test.admin.deleteWorkspace({ params: { id } });
    for (const gone of [id, UNKNOWN])
      for (const call of [rotate, showConnection]) expect((await failureOf(call(gone))).status).toBe(404);
  });
});

const SNIPPETS = {
  curl_register_template: null,
  python_snippet: null,
  universal_mcp_snippet: null,
  claude_code_channel_snippet: 'claude',
  hermes_channel_snippet: 'hermes',
  codex_snippet: 'codex',
  openclaw_snippet: 'openclaw',
} as const satisfies Partial<Record<keyof ConnectionBlock, string | null>>;
type Snippet = keyof typeof SNIPPETS;

describe('snippets', () => {
  const block = (input: Partial<Parameters<typeof buildConnection>[0]> = {}) =>
    buildConnection({
      workspaceId: UNKNOWN,
      name: 'seat',
      platformUrl: 'https://m.example//',
      token: 'TOKEN',
      ...input,
    });

  it.each(Object.entries(SNIPPETS) as [Snippet, string | null][])(
    '%s may be run again: nothing is appended to a file or left in the background, and what it needs is installed first',
    (field, program) => {
      const text = block()[field];
      expect(text).toContain('https://m.example');
      expect(text).not.toContain('https://m.example/"');
      expect(text).toContain('TOKEN');
      expect(text).not.toMatch(/>>|MOLECULE_ORG_ID|nohup|[^&>]&\s*$/m);
      expect(text).toMatch(/^# /);
      expect(block({ token: '' })[field]).toContain('<token>');
      if (program === null) return;
      const [check, launch] = [text.indexOf(`command -v ${program} >/dev/null ||`), text.indexOf(`["${program}"`)];
      expect([check > 0, launch > check]).toEqual([true, true]);
    },
  );

  it('curl registers the seat, again and again, whatever its name holds', async ({ skip }) => {
    skip(!HAS_CURL, 'curl is not installed');
    const connection = await createExternal(`Ann's "best" $(seat) \`x\``);
    for (const _again of [1, 2]) {
      const program = runShell(connection.curl_register_template);
      expect([await program.ended, program.output()]).toEqual([0, expect.stringContaining('"registered"')]);
    }
    expect(await statusOf(connection.workspace_id)).toBe('online');
    const { agent_card } = await test.admin.getWorkspace({ params: { id: connection.workspace_id } });
    expect(agent_card).toMatchObject({ name: `Ann's "best" $(seat) \`x\`` });
  });

  it(
    'python connects the seat, answers people and delegated tasks, and goes on where it was',
    async ({ skip }) => {
      skip(!HAS_PYTHON, 'python3 is not installed');
      const lead = await createSeat(test, { delivery_mode: 'poll' });
      const { workspace_id: id, ...connection } = await createExternal(`Ann's "best" $(seat) \\ é`);
      const script = join(folder, 'seat.py');
      writeFileSync(script, connection.python_snippet);
      const cwd = makeFolder();
      const program = start('python3', [script], { cwd });
      await untilConnected(program, id);
      const odd = {
        metadata: 'none',
        parts: [
          { kind: 'file', text: 7 },
          { kind: 'text', text: 'one' },
        ],
      };
      await sendA2a(test, id, textRequest('', { message: odd }));
      await untilSaid(id, 'You said: one');

      const { delegation_id } = await test
        .client(lead.token)
        .delegate({ params: { id: lead.id }, body: { target_id: id, task: 'two' } });
      await waitFor(
        'the delegation is answered',
        async () => {
          const rows = await test.admin.listDelegations({ params: { id: lead.id } });
          const row = rows.find((one) => one.delegation_id === delegation_id && one.status === 'completed');
          return row && JSON.stringify(row).includes('You said: two');
        },
        PROGRAM_MS,
      );
      // Its own words are rows of the same list: it does not answer itself.
      expect(await listSaid(id)).toEqual(['You said: one']);
      await program.interrupt();
      await sendA2a(test, id, textRequest('three'));
      const again = start('python3', [script], { cwd });
      await untilSaid(id, 'You said: three');
      expect(await listSaid(id)).toEqual(['You said: one', 'You said: three']);
      await rotate(id);
      expect([await again.ended, again.output()]).toEqual([1, expect.stringContaining('401')]);
    },
    TEST_MS,
  );

  it(
    'universal: whatever is written to standard output is the answer',
    async ({ skip }) => {
      skip(!HAS_PYTHON, 'python3 is not installed');
      const { workspace_id: id, universal_mcp_snippet } = await createExternal();
      const program = runShell(universal_mcp_snippet);
      await untilConnected(program, id);
      await sendA2a(test, id, textRequest('back to me'));
      await untilSaid(id, 'back to me');
      await program.interrupt();
    },
    TEST_MS,
  );

  /** A program that says what it was given: its words, and its standard input. */
  function installStandIn(name: string): string {
    const bin = join(folder, `bin-${name}`);
    mkdirSync(bin);
    writeFileSync(
      join(bin, name),
      `#!/bin/sh\necho "$# words, the last: $(for w; do :; done; echo "$w"), heard: $(cat)"\n`,
    );
    chmodSync(join(bin, name), 0o755);
    return `${bin}:${process.env.PATH}`;
  }

  it.for([
    ['claude_code_channel_snippet', '1 words, the last: -p, heard: --version; $(id)'],
    ['codex_snippet', '3 words, the last: -, heard: --version; $(id)'],
    ['hermes_channel_snippet', '3 words, the last: --query=--version; $(id), heard:'],
    ['openclaw_snippet', '3 words, the last: --message=--version; $(id), heard:'],
  ] as [Snippet & `${string}_snippet`, string][])(
    '%s hands a message over as text, never as an option or a command',
    { timeout: TEST_MS },
    async ([field, said], { skip }) => {
      skip(!HAS_PYTHON, 'python3 is not installed');
      const connection = await createExternal();
      const program = runShell(connection[field], installStandIn(SNIPPETS[field] ?? ''));
      await untilConnected(program, connection.workspace_id);
      await sendA2a(test, connection.workspace_id, textRequest('--version; $(id)'));
      await untilSaid(connection.workspace_id, said);
      await program.interrupt();
    },
  );
});
