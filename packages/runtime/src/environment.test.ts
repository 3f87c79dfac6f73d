// Variables and config.yaml, as they become settings.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createFolder } from '../test/test-agent.ts';
import { ConfigError, DEFAULT_MODEL, loadConfig } from './config.ts';
import { MissingIdentityError, readEnvironment } from './environment.ts';
import { createRedactor } from './logger.ts';

describe('the environment', () => {
  const read = (env: Record<string, string>, inContainer = false) =>
    readEnvironment({ WORKSPACE_ID: 'w1', ...env }, inContainer);

  it('has the defaults of chapter 40 §22', () => {
    expect(read({})).toMatchObject({
      configDir: '/configs',
      credentialsDir: '/configs',
      platformUrl: 'http://localhost:8080',
      port: null,
      workspaceRoot: '/workspace',
      pluginsDir: '/plugins',
      resultsFile: '/tmp/delegation_results.jsonl',
      queueDepth: null,
      shutdownGraceMs: 20_000,
      requireA2aAuth: false,
      parentId: null,
      maxTokens: 2_048,
      logLevel: 'info',
      warnings: [],
    });
    expect(read({}, true).platformUrl).toBe('http://host.docker.internal:8080');
    expect(() => readEnvironment({}, false)).toThrow(MissingIdentityError);
  });

  it('keeps credentials where CONFIGS_DIR says and the rest where WORKSPACE_CONFIG_PATH does', () => {
    expect(read({ WORKSPACE_CONFIG_PATH: '/a', CONFIGS_DIR: '/b' })).toMatchObject({
      configDir: '/a',
      credentialsDir: '/b',
    });
    expect(read({ CONFIGS_DIR: '/b' })).toMatchObject({ configDir: '/b', credentialsDir: '/b' });
    expect(read({ WORKSPACE_CONFIG_PATH: '/a' })).toMatchObject({ configDir: '/a', credentialsDir: '/a' });
  });

  it('names each value it cannot use and the default it uses', () => {
    const { warnings, shutdownGraceMs, requireA2aAuth, logLevel, port } = read({
      SHUTDOWN_GRACE_S: '20s',
      A2A_QUEUE_DEPTH: '-1',
      PORT: '70000',
      A2A_REQUIRE_AUTH: 'true',
      LOG_LEVEL: 'loud',
    });
    expect({ shutdownGraceMs, requireA2aAuth, logLevel, port }).toEqual({
      shutdownGraceMs: 20_000,
      requireA2aAuth: false,
      logLevel: 'info',
      port: null,
    });
    for (const part of [
      'SHUTDOWN_GRACE_S=20s',
      'A2A_QUEUE_DEPTH=-1',
      'PORT=70000',
      'A2A_REQUIRE_AUTH=true',
      'LOG_LEVEL=loud',
    ])
      expect(warnings.filter((warning) => warning.startsWith(part))).toHaveLength(1);
    expect(warnings.find((warning) => warning.startsWith('SHUTDOWN'))).toContain('using 20');
  });
});

describe('config.yaml', () => {
  function load(text: string, model?: string) {
    const folder = createFolder();
    writeFileSync(join(folder, 'config.yaml'), text);
    return loadConfig(folder, model);
  }

  it('has defaults for everything, keeps unknown keys and names them', () => {
    expect(load('')).toMatchObject({
      name: 'Workspace',
      runtime: 'langgraph',
      model: DEFAULT_MODEL,
      promptFiles: ['system-prompt.md'],
      maxConcurrentTasks: 1,
      a2a: { port: 8000, streaming: true, pushNotifications: true },
      unknownKeys: [],
    });
    const config = load('shared_context: [x]\ncolour: blue\ndescription: Sums.\n');
    expect(config.unknownKeys).toEqual(['colour']);
    expect(config.raw.colour).toBe('blue');
    expect(config.role).toBe('Sums.');
  });

  it('lets MODEL_PROVIDER win over runtime_config.model, and that over model', () => {
    const text = 'model: a:1\nruntime_config:\n  model: b:2\n  required_env: [X]\nenv:\n  required: [X, Y]\n';
    expect(load(text).model).toBe('b:2');
    expect(load(text, 'c:3').model).toBe('c:3');
    expect(load(text).requiredEnv).toEqual(['X', 'Y']);
  });

  it('says in one line what is wrong with the file', () => {
    expect(() => loadConfig(createFolder(), undefined)).toThrow(/^config\.yaml is missing/);
    for (const text of ['name: [', '- a list', 'just text'])
      expect(() => load(text)).toThrow(
        expect.objectContaining({ constructor: ConfigError, message: expect.not.stringContaining('\n') }),
      );
  });
});

describe('what is kept out of the log', () => {
  it('is the known shapes of keys and the values of this environment, once and for all', () => {
    const redact = createRedactor({ MY_API_KEY: 'plain value', TINY_TOKEN: 'abc', HOME: '/home/somebody' });
    const text = 'sk-0123456789 gsk_0123456789 Bearer abcdefgh12 plain value abc /home/somebody';
    expect(redact(text)).toBe('[REDACTED] [REDACTED] [REDACTED] [REDACTED] abc /home/somebody');
    expect(redact(redact(text))).toBe(redact(text));
  });
});
