// The real process: exit codes, what it prints, when it serves and when it registers.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { stringify } from 'yaml';
import { startScriptedPlatform } from '../test/scripted-platform.ts';
import { createFolder, openPlatform, SELF } from '../test/test-agent.ts';

const BIN = join(import.meta.dirname, 'bin.ts');

interface Process {
  child: ChildProcess;
  stderr(): string;
  /** Resolves with what the pattern finds in what the process says. */
  waitForLine(pattern: RegExp): Promise<RegExpExecArray>;
  exit: Promise<{ code: number | null; signal: string | null }>;
}

function run(env: Record<string, string>): Process {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', BIN], {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  const watchers = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      for (const watch of watchers) watch();
    });
  const exit = once(child, 'close').then(([code, signal]) => ({ code, signal }));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exit;
  });
  return {
    child,
    stderr: () => said,
    waitForLine: (pattern) =>
      new Promise((resolve, reject) => {
        const watch = () => {
          const found = pattern.exec(said);
          if (found) resolve(found);
        };
        watchers.add(watch);
        exit.then(() => reject(new Error(`the process ended and had said: ${said}`)));
        watch();
      }),
    exit,
  };
}

function createConfig(config: Record<string, unknown>): Record<string, string> {
  const folder = createFolder();
  mkdirSync(join(folder, 'workspace'));
  writeFileSync(join(folder, 'config.yaml'), stringify({ name: 'Ada', prompt_files: [], ...config }));
  return {
    WORKSPACE_ID: SELF,
    WORKSPACE_CONFIG_PATH: folder,
    MOLECULE_WORKSPACE_ROOT: join(folder, 'workspace'),
    DELEGATION_RESULTS_FILE: join(folder, 'results.jsonl'),
    PORT: '0',
    SHUTDOWN_GRACE_S: '0',
  };
}

it('R01 without WORKSPACE_ID: exit 2, a hint, no stack', async () => {
  const agent = run({});
  expect(await agent.exit).toEqual({ code: 2, signal: null });
  const lines = agent.stderr().trim().split('\n');
  expect(lines).toHaveLength(3);
  expect(lines[0]).toContain('WORKSPACE_ID is not set');
  expect(agent.stderr()).not.toMatch(/^\s+at /m);
});

it('R02 two required variables missing: both listed, exit 1, no registration', async () => {
  const platform = await openPlatform();
  const config = createConfig({ runtime: 'echo', runtime_config: { required_env: ['FIRST_KEY', 'SECOND_KEY'] } });
  const agent = run({ ...config, PLATFORM_URL: platform.url });
  expect(await agent.exit).toEqual({ code: 1, signal: null });
  expect(agent.stderr()).toContain('FAIL FIRST_KEY is not set');
  expect(agent.stderr()).toContain('FAIL SECOND_KEY is not set');
  expect(agent.stderr()).not.toMatch(/^\s+at /m);
  expect(platform.calls).toEqual([]);
});

it('R03 with the platform down the card is served, and the agent registers within 30 s of its return', async () => {
  const gone = await startScriptedPlatform(SELF);
  await gone.stop();
  const agent = run({ ...createConfig({ runtime: 'echo' }), PLATFORM_URL: gone.url });
  const [, port] = await agent.waitForLine(/"port":(\d+),.*"msg":"listening"/);
  await agent.waitForLine(/the platform cannot be reached/);
  const card = await fetch(`http://127.0.0.1:${port}/.well-known/agent-card.json`);
  expect(await card.json()).toMatchObject({ name: 'Ada' });
  const returned = await startScriptedPlatform(SELF, gone.port);
  onTestFinished(() => returned.stop());
  const startedAt = performance.now();
  const [register] = await returned.waitFor('POST /registry/register');
  expect(performance.now() - startedAt).toBeLessThan(30_000);
  expect(register?.body.url).toBe(`http://127.0.0.1:${port}`);
  await returned.waitFor('POST /registry/heartbeat');
}, 45_000);

it('says which key is missing, so that the platform can offer to add it', async () => {
  const platform = await openPlatform();
  const agent = run({ ...createConfig({ runtime: 'ai-sdk' }), PLATFORM_URL: platform.url });
  expect((await agent.exit).code).toBe(1);
  expect(agent.stderr().split('\n')[0]).toBe('FAIL ANTHROPIC_API_KEY is not set');
  // The platform reads every name it finds here as a missing one.
  expect(new Set(agent.stderr().match(/[A-Z]+_API_KEY/g))).toEqual(new Set(['ANTHROPIC_API_KEY']));
  expect(platform.calls).toEqual([]);
});

it('says what is wrong with its configuration, its adapter and its port', async () => {
  const platform = await openPlatform();
  const broken = createConfig({ runtime: 'echo' });
  writeFileSync(join(broken.WORKSPACE_CONFIG_PATH ?? '', 'config.yaml'), 'name: [');
  const first = run({ ...broken, PLATFORM_URL: platform.url });
  expect((await first.exit).code).toBe(1);
  expect(first.stderr()).toContain('FAIL Configuration\n');

  const unknown = run({ ...createConfig({ runtime: 'no-such' }), PLATFORM_URL: platform.url });
  expect((await unknown.exit).code).toBe(1);
  expect(unknown.stderr()).toContain('no adapter is called "no-such"');

  const taken = run({ ...createConfig({ runtime: 'echo' }), PLATFORM_URL: platform.url, PORT: String(platform.port) });
  expect((await taken.exit).code).toBe(1);
  expect(taken.stderr()).toContain('EADDRINUSE');
}, 30_000);

it('takes leave on SIGTERM: a last beat without tasks, exit 0', async () => {
  const platform = await openPlatform();
  const agent = run({ ...createConfig({ runtime: 'echo' }), PLATFORM_URL: platform.url });
  await platform.waitFor('POST /registry/heartbeat');
  agent.child.kill('SIGTERM');
  expect(await agent.exit).toEqual({ code: 0, signal: null });
  const beats = platform.callsTo('POST /registry/heartbeat');
  expect(beats.length).toBeGreaterThanOrEqual(2);
  expect(beats.at(-1)?.body.active_tasks).toBe(0);
});

it('ends with 3 when its workspace was deleted', async () => {
  const platform = await openPlatform();
  platform.on('POST /registry/register', () => ({ status: 401, body: {} }));
  platform.on(`GET /workspaces/${SELF}/state`, () => ({ status: 404, body: { deleted: true } }));
  const agent = run({ ...createConfig({ runtime: 'echo' }), PLATFORM_URL: platform.url });
  expect((await agent.exit).code).toBe(3);
  expect(platform.callsTo('POST /registry/register')).toHaveLength(2);
});

it('crashes when its script says so, and answers the message when it comes again', async () => {
  const platform = await openPlatform();
  const env = { ...createConfig({ runtime: 'echo' }), PLATFORM_URL: platform.url };
  const message = { role: 'user', messageId: 'm1', parts: [{ kind: 'text', text: '[[echo: crash]]' }] };
  async function send(agent: Process): Promise<Response> {
    const [, port] = await agent.waitForLine(/"port":(\d+),.*"msg":"listening"/);
    return await fetch(`http://127.0.0.1:${port}`, {
      method: 'POST',
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'message/send', params: { message } }),
    });
  }
  const first = run(env);
  await expect(send(first)).rejects.toThrow();
  expect((await first.exit).code).toBe(70);
  expect(first.stderr()).toContain('scripted crash');
  const reply = (await (await send(run(env))).json()) as { result: { parts: { text: string }[] } };
  expect(reply.result.parts[0]?.text).toContain('it is answered now');
});

it('tells whatever works in its folder where it is', async () => {
  const platform = await openPlatform();
  const env = createConfig({ runtime: 'echo', role: 'Sums.' });
  const file = join(env.MOLECULE_WORKSPACE_ROOT ?? '', 'AGENTS.md');
  writeFileSync(file, '# My own notes\n');
  const agent = run({ ...env, PLATFORM_URL: platform.url });
  const [, port] = await agent.waitForLine(/"port":(\d+),.*"msg":"listening"/);
  const written = readFileSync(file, 'utf8');
  for (const part of ['# Ada', 'Role: Sums.', `http://localhost:${port}/a2a`, '- delegate_task:'])
    expect(written).toContain(part);
  const aside = join(env.MOLECULE_WORKSPACE_ROOT ?? '', 'AGENTS.before-molecule.md');
  expect(readFileSync(aside, 'utf8')).toBe('# My own notes\n');
});

it('loads neither the fetch and web sockets of Node nor those of undici before anybody needs them', async () => {
  const script = `import(${JSON.stringify(join(import.meta.dirname, 'boot.ts'))}).then(() => {
    const isLoaded = process.moduleLoadList.some((name) => name.includes('deps/undici'));
    const web = Object.keys(require.cache).filter((path) => path.includes('undici/lib/web/'));
    console.log(JSON.stringify({ isLoaded, web }));
  })`;
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', '-e', script], {
    env: { PATH: process.env.PATH ?? '' },
  });
  const [said] = (await once(child.stdout, 'data')) as [Buffer];
  expect(JSON.parse(said.toString())).toEqual({ isLoaded: false, web: [] });
});
