// The terminal of a seat: a real shell in a real pseudo-terminal behind a real socket.

import { existsSync, readFileSync } from 'node:fs';
import { createManualClock, createSeat, startPlatform, waitFor } from '@molecule/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { isAlive, type ProcessSeats, startProcessSeats, untilFile, untilGone } from '../../test/process-seats.ts';

const clock = createManualClock();
const lines: Record<string, unknown>[] = [];
let seats: ProcessSeats;
let id: string;
let token: string;
const shells: Shell[] = [];

beforeAll(async () => {
  seats = await startProcessSeats({
    clock,
    onLog: (line) => lines.push(line),
    env: { PATH: process.env.PATH ?? '', OPENAI_API_KEY: 'of-the-platform' },
  });
  id = await seats.create('', { secrets: { SEAT_SECRET: 'of-the-seat' } });
  await seats.until(id, 'online');
  token = (await seats.admin.createToken({ params: { id } })).auth_token;
});
afterEach(async () => {
  for (const shell of shells.splice(0)) {
    shell.socket.terminate();
    await shell.closed;
  }
});
afterAll(async () => {
  await seats?.stop();
});

interface Shell {
  socket: WebSocket;
  closed: Promise<{ code: number; reason: string }>;
  bytes(): Buffer;
  /** How many bytes came so far; cheap. */
  size(): number;
  /** Types a line; resolves when the shell has printed `mark` behind it. */
  run(line: string): Promise<string>;
}

interface Opening {
  token?: string;
  headers?: Record<string, string>;
  on?: string;
  workspace?: string;
}

const connectTo = ({ token: bearer = seats.adminToken, headers = {}, on = seats.url, workspace = id }: Opening) =>
  new WebSocket(`${on.replace('http', 'ws')}/workspaces/${workspace}/terminal`, {
    headers: { ...(bearer === '' ? {} : { authorization: `Bearer ${bearer}` }), ...headers },
  });

async function open(opening: Opening = {}): Promise<Shell> {
  const socket = connectTo(opening);
  const chunks: Buffer[] = [];
  let size = 0;
  socket.on('message', (data, isBinary) => {
    expect(isBinary).toBe(true);
    chunks.push(data as Buffer);
    size += (data as Buffer).length;
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.on('close', (code, reason) => resolve({ code, reason: String(reason) })),
  );
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  const bytes = () => Buffer.concat(chunks);
  let runs = 0;
  const shell: Shell = {
    socket,
    closed,
    bytes,
    size: () => size,
    async run(line) {
      runs += 1;
      const from = bytes().length;
      // The echo of what is typed holds the quotes; only what is printed does not.
      socket.send(Buffer.from(`${line}; echo "end""${runs}"\n`));
      const printed = () => bytes().subarray(from).toString();
      await waitFor(`the end of ${line}`, () => printed().includes(`end${runs}`), 8_000);
      return printed();
    },
  };
  shells.push(shell);
  return shell;
}

/** Why the upgrade was refused. */
function refusalOf(opening: Opening): Promise<{ status: number; code: string }> {
  const socket = connectTo(opening);
  return new Promise((resolve, reject) => {
    socket.on('open', () => reject(new Error('it was opened')));
    socket.on('error', () => {});
    socket.on('unexpected-response', (_request, response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += String(chunk);
      });
      response.on('end', () => {
        socket.terminate();
        resolve({ status: response.statusCode ?? 0, code: (JSON.parse(text) as { code: string }).code });
      });
    });
  });
}

async function pidOf(shell: Shell): Promise<number> {
  return Number(/pid=(\d+)/.exec(await shell.run('echo "pid"=$$'))?.[1]);
}

const logged = (message: string) => lines.filter((line) => line.msg === message);

describe('the shell', () => {
  it('10.88 a resize frame changes the size the program sees', async () => {
    const shell = await open();
    expect(await shell.run('stty size')).toContain('24 80');
    shell.socket.send(JSON.stringify({ type: 'resize', cols: 123, rows: 45 }));
    expect(await shell.run('stty size')).toContain('45 123');
  });

  it('10.88 binary bytes arrive unchanged, both ways', async () => {
    const shell = await open();
    const all = Buffer.from(Array.from({ length: 256 }, (_, at) => at));
    // Raw: the terminal itself neither echoes, translates nor takes any byte for a signal.
    shell.socket.send(
      Buffer.from('stty raw -echo; echo rea"dy"; head -c 256 | tee "$HOME/raw"; stty sane; echo ov"er"\n'),
    );
    await waitFor('a raw terminal', () => shell.bytes().includes('ready'));
    shell.socket.send(all);
    await waitFor('the end', () => shell.bytes().includes('over'));
    expect(readFileSync(seats.folder(id, 'home/raw'))).toEqual(all);
    expect(shell.bytes().includes(all)).toBe(true);
  });

  it('runs in the directory of the seat with its own environment and home, and nothing of the platform', async () => {
    const shell = await open({ token });
    const printed = await shell.run(
      'pwd; echo "home=$HOME"; echo "secret=$SEAT_SECRET"; env | cut -d= -f1 | sort | tr "\\n" " "',
    );
    expect(printed).toContain(seats.folder(id, 'workspace'));
    expect(printed).toContain(`home=${seats.folder(id, 'home')}`);
    expect(printed).toContain('secret=of-the-seat');
    const environment = await shell.run('env');
    for (const secret of [seats.adminToken, 'DATABASE_URL', 'SECRETS_ENCRYPTION_KEY', 'ADMIN_TOKEN'])
      expect([secret, environment.includes(secret)]).toEqual([secret, false]);
    expect(environment).toContain('TERM=xterm-256color');
  });

  it('ends with the socket, what it started included; two on one seat know nothing of each other', async () => {
    const [one, two] = [await open(), await open()];
    const [first, second] = [await pidOf(one), await pidOf(two)];
    one.socket.send(Buffer.from('sh -c \'echo $$ > "$HOME/child"; sleep 600\'\n'));
    await untilFile(seats.folder(id, 'home/child'));
    const child = await waitFor('a pid', () => Number(readFileSync(seats.folder(id, 'home/child'), 'utf8')));
    one.socket.close();
    for (const pid of [first, child]) await untilGone(pid);
    expect(isAlive(second)).toBe(true);
    expect(await two.run('echo still "here"')).toContain('still here');
    // A shell that ignores the hang-up has two seconds more.
    await two.run('trap "" HUP');
    two.socket.close();
    await untilGone(second);
  });

  it('its own end closes the socket and says so', async () => {
    const shell = await open();
    shell.socket.send(Buffer.from('exit\n'));
    expect(await shell.closed).toEqual({ code: 1000, reason: 'the shell has ended' });
  });

  it("the seat's stop ends it with that reason; while it is stopped none is opened", async () => {
    const seat = await seats.create();
    await seats.until(seat, 'online');
    const shell = await open({ workspace: seat });
    const pid = await pidOf(shell);
    await seats.admin.pauseWorkspace({ params: { id: seat } });
    expect(await shell.closed).toEqual({ code: 1000, reason: 'the agent was stopped' });
    await untilGone(pid);
    expect(await refusalOf({ workspace: seat })).toEqual({ status: 404, code: 'not_found' });
  });

  it('a flood waits for its reader: nothing is lost, and little is held', async () => {
    const shell = await open();
    shell.socket.pause();
    shell.socket.send(Buffer.from(`head -c 60000000 /dev/zero | tr '\\0' x; touch "$HOME/flooded"; echo "do""ne"\n`));
    await waitFor('the shell to be stopped', () => logged('a terminal waits for its reader').length > 0, 20_000);
    expect(existsSync(seats.folder(id, 'home/flooded'))).toBe(false);
    shell.socket.resume();
    await waitFor('all of the flood', () => shell.size() > 60_000_000, 30_000);
    await waitFor('its end', () => existsSync(seats.folder(id, 'home/flooded')));
    expect(shell.bytes().filter((byte) => byte === 'x'.charCodeAt(0)).length).toBeGreaterThanOrEqual(60_000_000);
  });
});

describe('who may open one', () => {
  it('the seat itself and operators; nobody without a credential, no other seat', async () => {
    await open({ token });
    await open();
    const other = await createSeat(seats);
    for (const bearer of ['', 'garbage', other.token])
      expect([bearer, await refusalOf({ token: bearer })]).toEqual([bearer, { status: 401, code: 'unauthenticated' }]);
  });

  it('a claim to be another workspace needs a token of it and a way between the two', async () => {
    const parent = await createSeat(seats);
    const child = await createSeat(seats, { parent_id: parent.id });
    const orgToken = (await seats.admin.createOrgToken({ body: {} })).auth_token;
    const claim = (named: string) => ({ 'x-workspace-id': named });
    // Its own name is no claim.
    await open({ token, headers: claim(id) });
    expect((await refusalOf({ token, headers: claim(parent.id) })).status).toBe(401);
    expect((await refusalOf({ token: parent.token, headers: claim(parent.id) })).status).toBe(401);
    expect((await refusalOf({ token: '', headers: claim(parent.id) })).status).toBe(401);
    // Roots are siblings; the child of another root is a stranger.
    await open({ token: orgToken, headers: claim(parent.id) });
    expect(await refusalOf({ token: orgToken, headers: claim(child.id) })).toEqual({
      status: 403,
      code: 'access_denied',
    });
    expect((await refusalOf({ token: orgToken, headers: claim('nobody') })).status).toBe(400);
  });

  it('a page of another origin is refused whatever its credential; the own origin and the listed ones pass', async () => {
    for (const origin of ['https://evil.example', 'null', `${seats.url}.evil.example`])
      expect([origin, (await refusalOf({ headers: { origin } })).code]).toEqual([origin, 'origin_refused']);
    for (const origin of [seats.url, 'http://localhost:3000']) await open({ headers: { origin } });
  });

  it('no such workspace and an agent that does not run are 404, no way to a shell is 503, all before the upgrade', async () => {
    expect(await refusalOf({ workspace: '00000000-0000-4000-8000-000000000001' })).toEqual({
      status: 404,
      code: 'not_found',
    });
    expect((await refusalOf({ workspace: 'nonsense' })).status).toBe(400);
    const external = await createSeat(seats);
    expect(await refusalOf({ workspace: external.id })).toEqual({ status: 503, code: 'no_terminal' });
    const none = await startPlatform();
    try {
      const { id: workspace } = await none.admin.createWorkspace({ body: { name: 'nowhere', runtime: 'echo' } });
      expect(await refusalOf({ on: none.url, token: none.adminToken, workspace })).toEqual({
        status: 503,
        code: 'no_terminal',
      });
    } finally {
      await none.stop();
    }
    // A browser is not told why an upgrade was refused, and asks so.
    const ask = (workspace: string) =>
      fetch(`${seats.url}/workspaces/${workspace}/terminal`, {
        headers: { authorization: `Bearer ${seats.adminToken}` },
      });
    expect([(await ask(id)).status, (await ask(external.id)).status]).toEqual([426, 503]);
  });
});

describe('how long it lasts', () => {
  const sweep = async () => {
    const loop = seats.platform.supervisor.report().find((one) => one.name === 'terminal-connections');
    const ticks = loop?.lastSuccessAt;
    seats.platform.supervisor.wake('terminal-connections');
    await waitFor(
      'a sweep',
      () =>
        seats.platform.supervisor.report().find((one) => one.name === 'terminal-connections')?.lastSuccessAt !== ticks,
    );
  };

  it('30 minutes without a byte end it, a byte before that does not', async () => {
    const [idle, busy] = [await open(), await open()];
    await Promise.all([idle.run('echo a'), busy.run('echo a')]);
    clock.advance(29 * 60_000);
    await busy.run('echo b');
    clock.advance(60_000);
    await sweep();
    expect(await idle.closed).toEqual({ code: 4000, reason: 'nothing happened for 30 minutes' });
    expect(await busy.run('echo still "here"')).toContain('still here');
  });

  it('a revoked token ends it, and its shell', async () => {
    const { auth_token: own } = await seats.admin.createToken({ params: { id } });
    const shell = await open({ token: own });
    const pid = await pidOf(shell);
    const [newest] = (await seats.admin.listTokens({ params: { id } })).tokens;
    await seats.admin.revokeToken({ params: { id, tokenId: newest?.id ?? '' } });
    clock.advance(15_000);
    await sweep();
    expect(await shell.closed).toEqual({ code: 1008, reason: 'the credential is no longer valid' });
    await untilGone(pid);
  });

  it('a text frame that is no resize closes it', async () => {
    for (const frame of ['hello', '{"type":"resize","cols":0,"rows":5}', '{"type":"input","data":"x"}', '5']) {
      const shell = await open();
      shell.socket.send(frame);
      expect([frame, (await shell.closed).code]).toEqual([frame, 1003]);
    }
  });

  it('opening and closing are logged, what was said is not', async () => {
    const shell = await open({ token });
    await shell.run('echo "a secret word"');
    shell.socket.close();
    await shell.closed;
    const [opened, closed] = [logged('a terminal was opened').at(-1), logged('a terminal was closed').at(-1)];
    expect(opened).toMatchObject({ workspace_id: id, principal: 'workspace', terminal_id: expect.any(String) });
    expect(closed?.workspace_id).toBe(id);
    expect(JSON.stringify(lines)).not.toContain('secret word');
  });

  it("the platform's end leaves no shell behind", async () => {
    const own = await startProcessSeats({ env: { PATH: process.env.PATH ?? '' } });
    const workspace = await own.create();
    await own.until(workspace, 'online');
    const shell = await open({ on: own.url, token: own.adminToken, workspace });
    const pid = await pidOf(shell);
    await own.stop();
    expect((await shell.closed).code).toBeGreaterThanOrEqual(1000);
    await untilGone(pid);
  });
});
