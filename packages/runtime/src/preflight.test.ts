// What is found before an agent starts, and which adapter drives it.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { createScriptedAdapter } from '../test/scripted-adapter.ts';
import { createFolder, messageOf, startTestAgent } from '../test/test-agent.ts';
import type { Adapter } from './adapters/adapter.ts';
import { chooseAdapter, listAdapters } from './adapters/index.ts';
import { loadConfig } from './config.ts';
import { type PreflightInput, runPreflight } from './preflight.ts';

const adapter = createScriptedAdapter(() => ({ text: '' }), { name: () => 'echo' });

function check(
  config: Record<string, unknown>,
  extra: Partial<PreflightInput> = {},
  prepare?: (folder: string) => void,
) {
  const folder = createFolder();
  writeFileSync(join(folder, 'config.yaml'), stringify({ runtime: 'echo', prompt_files: [], ...config }));
  prepare?.(folder);
  const loaded = loadConfig(folder, undefined);
  return runPreflight({
    config: loaded,
    adapter,
    configDir: folder,
    platformUrl: 'http://localhost:8080',
    port: loaded.a2a.port,
    env: {},
    ...extra,
  }).map(({ severity, title }) => `${severity}: ${title}`);
}

describe('preflight', () => {
  it('finds nothing in a sound configuration', () => {
    expect(check({})).toEqual([]);
  });

  it('fails for ports, addresses, variables and token files that cannot work', () => {
    expect(check({ a2a: { port: 70_000 } })).toEqual(['fail: Port out of range']);
    expect(check({ a2a: { port: 'eighty' } })).toEqual(['fail: Port out of range']);
    expect(check({ delivery_mode: 'pull' })).toEqual(['warn: Unknown delivery mode']);
    expect(check({ delivery_mode: 'poll' })).toEqual([]);
    expect(check({}, { platformUrl: 'localhost:8080' })).toEqual(['fail: PLATFORM_URL is no address']);
    const required = { runtime_config: { required_env: ['A', 'B'] }, env: { required: ['C'] } };
    expect(check(required, { env: { A: 'set', B: '' } })).toEqual(['fail: B is not set', 'fail: C is not set']);
    const legacy = { runtime_config: { auth_token_file: 'token', auth_token_env: 'TOKEN' } };
    expect(check(legacy)).toEqual(['fail: Token file missing']);
    expect(check(legacy, { env: { TOKEN: 'set' } })).toEqual([]);
    expect(check(legacy, {}, (folder) => writeFileSync(join(folder, 'token'), 'x'))).toEqual([]);
  });

  it('warns of files, skills, keys and names that do not fit', () => {
    expect(check({ prompt_files: ['missing.md'] })).toEqual(['warn: Prompt file missing']);
    expect(check({ skills: ['cook'] })).toEqual(['warn: Skill without SKILL.md']);
    const withSkill = (folder: string) => {
      mkdirSync(join(folder, 'skills/cook'), { recursive: true });
      writeFileSync(join(folder, 'skills/cook/SKILL.md'), '# Cook');
    };
    expect(check({ skills: ['cook'] }, {}, withSkill)).toEqual([]);
    expect(check({ colour: 'blue' })).toEqual(['warn: Unknown key']);
    expect(check({ runtime: 'langgraph' })).toEqual(['warn: Another adapter runs']);
  });

  it('adds what the adapter finds', () => {
    const picky: Adapter = {
      ...adapter,
      preflight: () => [{ severity: 'fail', title: 'No engine', detail: '', fix: '' }],
    };
    expect(check({}, { adapter: picky })).toEqual(['fail: No engine']);
  });
});

describe('the adapter', () => {
  function writeModule(source: string): string {
    const path = join(createFolder(), 'adapter.mjs');
    writeFileSync(path, source);
    return path;
  }
  const members = `setup: async () => {}, capabilities: () => ({}), idleTimeoutOverride: () => null,
    createExecutor: async () => ({ run: async (turn) => ({ text: 'own ' + turn.text }) })`;
  const titleOf = async (runtime: string, module: string | null) =>
    (await chooseAdapter(runtime, module)).issues.map(({ title }) => title);

  it('is the one of the runtime, and nothing else when there is none', async () => {
    for (const name of listAdapters()) expect((await chooseAdapter(name, null)).adapter?.name()).toBe(name);
    expect(await titleOf('langgraph', null)).toEqual(['Adapter not found']);
    expect(await titleOf('constructor', null)).toEqual(['Adapter not found']);
  });

  it('is the one ADAPTER_MODULE names, as an object, a class or a function', async () => {
    const sources = [
      `export const Adapter = { name: () => 'own', ${members} };`,
      `export default { name: () => 'own', ${members} };`,
      `export function Adapter() { return { name: () => 'own', ${members} }; }`,
      `export class Adapter { name() { return 'own'; } async setup() {} capabilities() { return {}; }
        idleTimeoutOverride() { return null; } async createExecutor() { return {}; } }`,
    ];
    for (const source of sources)
      expect((await chooseAdapter('echo', writeModule(source))).adapter?.name()).toBe('own');
  });

  it('fails when the module cannot be imported, exports something else, or has no name', async () => {
    expect(await titleOf('echo', join(createFolder(), 'missing.mjs'))).toEqual(['Adapter cannot be imported']);
    expect(await titleOf('echo', 'no-such-package-anywhere')).toEqual(['Adapter cannot be imported']);
    expect(await titleOf('echo', writeModule('throw new Error("broken")'))).toEqual(['Adapter cannot be imported']);
    expect(await titleOf('echo', writeModule('export const other = 1;'))).toEqual(['Adapter has the wrong export']);
    const nameless = writeModule(`export default { name: () => ' ', ${members} };`);
    expect(await titleOf('echo', nameless)).toEqual(['Adapter has no name']);
  });

  it('drives a whole agent', async () => {
    const module = writeModule(`export const Adapter = { name: () => 'own', ${members} };`);
    const test = await startTestAgent({ env: { ADAPTER_MODULE: module } });
    const { body } = await test.call('message/send', messageOf('words'));
    expect(body.result.parts[0].text).toBe('own words');
    expect(test.log.some(({ msg }) => msg === 'Another adapter runs')).toBe(true);
  });
});
