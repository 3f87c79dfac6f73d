// How the CLI is used, and used wrongly: help, suggestions, exit codes, and where it looks for a platform.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { replyStatus, startPeer } from '@molecule/testkit';
import { afterAll, describe, expect, it } from 'vitest';
import { findTarget } from '../src/environment.ts';
import { endCommands, makeFolder, run } from './cli.ts';

afterAll(endCommands);

const SEATS = [
  ...['list', 'get', 'create', 'delete'].map((name) => `workspace ${name}`),
  ...['list', 'set', 'delete'].map((name) => `secret ${name}`),
  ...['list', 'create', 'revoke'].map((name) => `token ${name}`),
];
const BUNDLES = ['bundle export', 'bundle import'];
const LIFECYCLE = ['pause', 'resume', 'hibernate', 'restart'];
const NOWHERE = { MOLECULE_URL: 'http://127.0.0.1:1' };

describe('help', () => {
  it('every command explains itself with examples and exit codes, on stdout', async () => {
    const commands = ['start', 'status', 'doctor', 'org list', 'org import', 'send', 'logs', 'why'].concat(
      BUNDLES,
      LIFECYCLE,
      SEATS,
    );
    const helps = await Promise.all(commands.map((command) => run([...command.split(' '), '--help'])));
    for (const [index, { code, out, err }] of helps.entries()) {
      expect([code, err]).toEqual([0, '']);
      expect(out).toContain(`Usage: molecule ${commands[index]}`);
      expect(out).toMatch(new RegExp(`\nExamples:\n {2}molecule ${commands[index]}`));
      expect(out).toMatch(/\nExit codes:\n {2}0 {2}\w/);
      expect(out).toMatch(/--json {2,}print/);
    }
  });
});

describe('wrong usage is exit code 2 and two lines: the cause, and what helps', () => {
  it.each([
    [['statsu'], "molecule: unknown command 'statsu'\n          Did you mean status? See molecule --help\n"],
    [['send', 'chief'], "molecule: missing required argument 'message'\n          molecule send --help\n"],
    [
      ['org', 'imprt', 'x'],
      "molecule: unknown command 'imprt'\n          Did you mean import? See molecule org --help\n",
    ],
    [
      ['status', '--url', 'nowhere'],
      'molecule: nowhere is not an address\n          molecule status --url http://127.0.0.1:8080\n',
    ],
  ])('%j', async (args, expected) => {
    expect(await run(args)).toMatchObject({ code: 2, out: '', err: expected });
  });

  it('with --json the same is a document on stdout, and stderr stays empty', async () => {
    const [option, port] = await Promise.all([
      run(['logs', 'x', '--lines', 'many', '--json']),
      run(['start', '--port', '70000', '--json']),
    ]);
    expect(option.json()).toMatchObject({ ok: false, code: 'usage', exit_code: 2, hint: 'molecule logs --help' });
    expect(port.json()).toMatchObject({ ok: false, code: 'usage', error: expect.stringContaining('0 (any free one)') });
    for (const { code, err } of [option, port]) expect([code, err]).toEqual([2, '']);
  });
});

describe('no platform', () => {
  it('none that answers is exit code 3 with the way to start one; what is not Molecule is said to be so', async () => {
    const dataDir = makeFolder();
    const stranger = await startPeer(replyStatus(200, '<html>hello</html>'));
    const [given, own, other] = await Promise.all([
      run(['status', '--json'], NOWHERE),
      run(['status'], { MOLECULE_DATA_DIR: dataDir, PORT: '1' }),
      run(['status'], { MOLECULE_URL: stranger.url }),
    ]);
    await stranger.stop();
    expect(given.code).toBe(3);
    expect(given.json()).toMatchObject({
      ok: false,
      code: 'network',
      error: 'no platform answers at http://127.0.0.1:1',
    });
    expect(own).toMatchObject({ code: 3, err: expect.stringContaining(`MOLECULE_DATA_DIR=${dataDir} npm start`) });
    expect(other).toMatchObject({ code: 3, err: expect.stringContaining('is not Molecule') });
  });

  it('doctor looks at the machine all the same, and finds the port taken by another program', async () => {
    const stranger = await startPeer(replyStatus(404, 'nothing here'));
    const dataDir = makeFolder();
    writeFileSync(join(dataDir, 'admin-token'), 'secret', { mode: 0o644 });
    const { code, json } = await run(['doctor', '--json', '--data-dir', dataDir], { PORT: String(stranger.port) });
    await stranger.stop();
    expect(code).toBe(1);
    const findings = json().findings as { check: string; level: string; fix: string }[];
    const levels = Object.fromEntries(findings.map(({ check, level }) => [check, level]));
    expect(levels).toMatchObject({ node: 'ok', 'data directory': 'ok', disk: expect.any(String) });
    expect(levels).toMatchObject({ 'admin token': 'problem', platform: 'problem', port: 'problem' });
    expect(findings.find(({ check }) => check === 'port')?.fix).toBe(`PORT=${stranger.port + 1} npm start`);
    expect(findings.filter(({ level, fix }) => level === 'problem' && fix === '')).toEqual([]);
  });
});

describe('the token of the data directory', () => {
  it('goes to the platform that owns the directory and to this machine, never to an address elsewhere', () => {
    const dataDir = makeFolder();
    writeFileSync(join(dataDir, 'admin-token'), 'secret\n', { mode: 0o600 });
    writeFileSync(join(dataDir, 'owner.json'), JSON.stringify({ pid: 1, url: 'http://127.0.0.1:4711' }));
    expect(findTarget({ dataDir })).toMatchObject({
      url: 'http://127.0.0.1:4711',
      urlSource: 'owner',
      token: 'secret',
    });
    expect(findTarget({ dataDir, url: 'http://localhost:80/' })).toMatchObject({
      url: 'http://localhost:80',
      token: 'secret',
    });
    expect(findTarget({ dataDir, url: 'https://molecule.example' }).token).toBe(null);
    expect(findTarget({ dataDir, url: 'https://127.evil.example' }).token).toBe(null);
    expect(findTarget({ dataDir, url: 'https://molecule.example', token: 'mine' }).token).toBe('mine');
  });
});
