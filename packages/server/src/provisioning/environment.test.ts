// What an agent is told, and what it must never learn (chapter 10 §7.3, §7.5, ruling R9).

import { appendFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ProcessSeats, startProcessSeats } from '../../test/process-seats.ts';
import { ConfigError, readConfig } from '../config.ts';

const ENCRYPTION_KEY = '0123456789abcdef0123456789abcdef';
const INHERITED = { LANG: 'C.UTF-8', TZ: 'Europe/Berlin', HTTPS_PROXY: 'http://127.0.0.1:3128', TMPDIR: '/tmp' };
let seats: ProcessSeats;

beforeAll(async () => {
  seats = await startProcessSeats({
    env: {
      ...INHERITED,
      PATH: process.env.PATH ?? '',
      SECRETS_ENCRYPTION_KEY: ENCRYPTION_KEY,
      OPENAI_API_KEY: 'key-of-the-platform',
      GROQ_API_KEY: 'another-key-of-the-platform',
      AWS_SECRET_ACCESS_KEY: 'none of their business',
      NODE_OPTIONS: '',
      HOME: '/root',
    },
  });
});
afterAll(async () => {
  await seats?.stop();
});

async function environmentOf(...input: Parameters<ProcessSeats['create']>): Promise<Record<string, string>> {
  const id = await seats.create(...input);
  await seats.until(id, 'online');
  return seats.environment(id);
}

describe('the environment of an agent', () => {
  it('10.84 the backend unset → process, with MOLECULE_ORG_ID → control-plane, bogus → boot error; no platform secret leaks', async () => {
    expect(readConfig({ PATH: '/bin' }).provisioner).toBe('process');
    const tenant = { PATH: '/bin', MOLECULE_ORG_ID: 'acme', MOLECULE_CP_URL: 'https://cp.example' };
    expect(readConfig(tenant).provisioner).toBe('control-plane');
    expect(() => readConfig({ PATH: '/bin', MOLECULE_PROVISIONER: 'bogus' })).toThrow(ConfigError);

    const env = await environmentOf();
    const text = JSON.stringify(env);
    for (const name of [
      'ADMIN_TOKEN',
      'DATABASE_URL',
      'SECRETS_ENCRYPTION_KEY',
      'AWS_SECRET_ACCESS_KEY',
      'NODE_OPTIONS',
    ])
      expect(env).not.toHaveProperty(name);
    for (const value of [
      seats.adminToken,
      ENCRYPTION_KEY,
      'none of their business',
      ...(seats.config.databaseUrl ? [seats.config.databaseUrl] : []),
    ])
      expect(text).not.toContain(value);
    // Nothing but what the chapter names: a new variable has to be thought about.
    expect(Object.keys(env).sort()).toEqual(
      [
        ...Object.keys(INHERITED),
        'PATH',
        'OPENAI_API_KEY',
        'GROQ_API_KEY',
        'GIT_AUTHOR_NAME',
        'GIT_AUTHOR_EMAIL',
        'GIT_COMMITTER_NAME',
        'GIT_COMMITTER_EMAIL',
        'PLATFORM_URL',
        'MOLECULE_URL',
        'TIER',
        'WORKSPACE_ID',
        'WORKSPACE_CONFIG_PATH',
        'CONFIGS_DIR',
        'MOLECULE_WORKSPACE_ROOT',
        'PLUGINS_DIR',
        'HOME',
        'DELEGATION_RESULTS_FILE',
        'AUDIT_LOG_PATH',
        'AUDIT_LEDGER_DB',
        'AGENT_SNAPSHOT_PATH',
        'SHUTDOWN_GRACE_S',
        'PORT',
      ].sort(),
    );
    expect(env).toMatchObject({ ...INHERITED, OPENAI_API_KEY: 'key-of-the-platform', PLATFORM_URL: seats.url });
    expect(env.HOME).not.toBe('/root');
  });

  it('secrets win over the keys of the platform and over the git identity, and over nothing the platform sets itself', async () => {
    const env = await environmentOf('', {
      name: 'Grün und Söhne 7',
      secrets: {
        OPENAI_API_KEY: 'own',
        GIT_AUTHOR_NAME: 'Somebody',
        SHUTDOWN_GRACE_S: '600',
        AUDIT_LOG_PATH: '/etc/passwd',
      },
    });
    expect(env).toMatchObject({
      OPENAI_API_KEY: 'own',
      GIT_AUTHOR_NAME: 'Somebody',
      GIT_COMMITTER_NAME: 'Grün und Söhne 7',
      GIT_COMMITTER_EMAIL: 'gr-n-und-s-hne-7@agents.molecule.local',
      SHUTDOWN_GRACE_S: '8',
    });
    expect(env.AUDIT_LOG_PATH).not.toBe('/etc/passwd');
  });

  it('a chosen model is told, hermes under the name it reads; where nobody chose, the runtime finds one there is a key for', async () => {
    const hermes = await environmentOf('', { runtime: 'hermes', model: 'openrouter:openrouter/auto' });
    expect(hermes.HERMES_DEFAULT_MODEL).toBe('openrouter:openrouter/auto');
    const decided = await environmentOf('', { runtime: 'ai-sdk', model: 'groq:llama-3.3-70b-versatile' });
    expect(decided.MODEL_PROVIDER).toBe('groq:llama-3.3-70b-versatile');
    const undecided = await environmentOf('', { runtime: 'ai-sdk' });
    expect(undecided).not.toHaveProperty('MODEL_PROVIDER');
    expect(undecided).not.toHaveProperty('HERMES_DEFAULT_MODEL');
  });

  it('a variable the configuration requires and nobody set → failed before anything runs, naming it; saved, it starts', async () => {
    const id = await seats.create();
    await seats.until(id, 'online');
    appendFileSync(
      seats.folder(id, 'configs', 'config.yaml'),
      'runtime_config:\n  required_env: [NEEDED_TOKEN, OPENAI_API_KEY]\nenv:\n  required: [ALSO_NEEDED]\n',
    );
    await seats.admin.restartWorkspace({ params: { id } });
    const row = await seats.until(id, 'failed');
    expect(row.last_sample_error).toBe('NEEDED_TOKEN, ALSO_NEEDED are not set; save them as a secret');
    const [failure] = await seats.untilNamed(id, 'WORKSPACE_PROVISION_FAILED');
    expect(failure?.payload).toMatchObject({ missing: ['NEEDED_TOKEN', 'ALSO_NEEDED'] });
    expect(seats.starts(id)).toHaveLength(1);
    for (const key of ['NEEDED_TOKEN', 'ALSO_NEEDED'])
      await seats.admin.saveSecret({ params: { id }, body: { key, value: 'value' } });
    await seats.until(id, 'online');
    expect(seats.environment(id).ALSO_NEEDED).toBe('value');
  });
});
