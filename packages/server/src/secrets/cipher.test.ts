import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { ConfigError, readConfig } from '../config.ts';
import { createLog } from '../platform/log.ts';
import { createCipher, resolveKey } from './cipher.ts';
import { defaultModel } from './models.ts';

const folders: string[] = [];
const log = createLog('silent');

function dataDir(): string {
  const folder = mkdtempSync(join(tmpdir(), 'molecule-key-'));
  folders.push(folder);
  return folder;
}
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const configWith = (env: Record<string, string>) => readConfig({ PATH: '/bin', ...env });

describe('the key of secrets', () => {
  it('is generated once, readable by its owner only, and used again', () => {
    const config = configWith({ MOLECULE_DATA_DIR: dataDir() });
    const key = resolveKey(config, log);
    const path = join(config.dataDir, 'secrets-key');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(Buffer.from(readFileSync(path, 'utf8'), 'base64')).toEqual(key);
    expect(resolveKey(config, log)).toEqual(key);
  });

  it('may be 32 raw bytes or their base64; anything else ends the start with a hint', () => {
    const raw = '0123456789abcdef0123456789abcdef';
    const encoded = Buffer.from(raw).toString('base64');
    for (const text of [raw, encoded])
      expect(resolveKey(configWith({ SECRETS_ENCRYPTION_KEY: text }), log)).toEqual(Buffer.from(raw));
    expect(() => resolveKey(configWith({ SECRETS_ENCRYPTION_KEY: 'short' }), log)).toThrow(ConfigError);
    const folder = dataDir();
    writeFileSync(join(folder, 'secrets-key'), 'damaged');
    expect(() => resolveKey(configWith({ MOLECULE_DATA_DIR: folder }), log)).toThrow(/32 bytes/);
  });

  it('decrypts only what it encrypted: another key, a changed byte or an unknown version fail', () => {
    const cipher = createCipher(Buffer.alloc(32, 1));
    const { encrypted_value, encryption_version } = cipher.encrypt('ünïcode');
    expect(cipher.decrypt(encrypted_value, encryption_version)).toBe('ünïcode');
    expect(cipher.encrypt('ünïcode').encrypted_value).not.toEqual(encrypted_value);
    expect(() => createCipher(Buffer.alloc(32, 2)).decrypt(encrypted_value, 1)).toThrow();
    const changed = Buffer.from(encrypted_value);
    changed[14] = (changed[14] ?? 0) ^ 1;
    expect(() => cipher.decrypt(changed, 1)).toThrow();
    expect(() => cipher.decrypt(encrypted_value, 99)).toThrow();
    expect(cipher.decrypt(Buffer.from('plain'), 0)).toBe('plain');
  });

  it('30.44 without a model: claude-code → sonnet; CLAUDE-CODE, hermes and empty → the universal default', () => {
    expect(defaultModel('claude-code')).toBe('sonnet');
    for (const runtime of ['CLAUDE-CODE', 'hermes', 'ai-sdk', 'anything', ''])
      expect(defaultModel(runtime)).toBe('anthropic:claude-opus-4-7');
  });
});
