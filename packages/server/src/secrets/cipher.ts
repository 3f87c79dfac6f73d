// Encryption of secrets at rest: AES-256-GCM, a 12-byte nonce before ciphertext and tag, a version and the key's name per row
// (chapter 10 §2.3, chapter 30 §6.8). One key writes; earlier ones only read.

import { createCipheriv, createDecipheriv, hash, randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type Config, ConfigError, parseSecretsKey } from '../config.ts';
import type { Logger } from '../platform/log.ts';

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const PLAIN = 0;
const GCM = 1;
const KEY_ID_BYTES = 8;

export interface Encrypted {
  encrypted_value: Buffer;
  encryption_version: number;
  key_id: Buffer;
}

export interface Cipher {
  /** Names the key that writes; nothing of the key can be told from it. */
  readonly keyId: Buffer;
  encrypt(text: string): Encrypted;
  /** @throws Error for an unknown version or a value none of the keys wrote. */
  decrypt(value: Buffer, version: number): string;
}

function syncAndClose(file: number): void {
  fsyncSync(file);
  closeSync(file);
}

/** From the environment, else the data directory's key file, made at the first start. @throws ConfigError for a key of the wrong length. */
export function resolveKey(config: Config, log: Logger): Buffer {
  const hint = 'SECRETS_ENCRYPTION_KEY=$(openssl rand -base64 32) npm start';
  if (config.secretsKey) {
    const key = parseSecretsKey(config.secretsKey);
    if (!key) throw new ConfigError('SECRETS_ENCRYPTION_KEY must be 32 bytes, raw or base64', hint);
    return key;
  }
  const path = join(config.dataDir, 'secrets-key');
  if (existsSync(path)) {
    const key = parseSecretsKey(readFileSync(path, 'utf8').trim());
    if (!key)
      throw new ConfigError(
        `${path} does not hold a key of 32 bytes`,
        'restore the file from a backup: secrets saved with it cannot be read otherwise',
      );
    return key;
  }
  const key = randomBytes(KEY_BYTES);
  mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  // Whole or not at all: half a key would refuse every later start.
  const partial = `${path}.new`;
  const file = openSync(partial, 'w', 0o600);
  writeSync(file, key.toString('base64'));
  syncAndClose(file);
  renameSync(partial, path);
  // The name too: a secret must never be on the disk before the key that reads it.
  syncAndClose(openSync(config.dataDir, 'r'));
  log.info({ path }, 'generated a key for secrets');
  return key;
}

/** Null when it is not what this key wrote: the tag proves it. */
function tryToOpen(key: Buffer, value: Buffer): string | null {
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, value.subarray(0, NONCE_BYTES));
    decipher.setAuthTag(value.subarray(value.length - TAG_BYTES));
    const text = decipher.update(value.subarray(NONCE_BYTES, value.length - TAG_BYTES));
    return Buffer.concat([text, decipher.final()]).toString('utf8');
  } catch {
    return null;
  }
}

/** @param previous keys that are read with when the current one does not open a value. */
export function createCipher(key: Buffer, previous: readonly Buffer[] = []): Cipher {
  const keyId = hash('sha256', Buffer.concat([Buffer.from('molecule secrets key\0'), key]), 'buffer').subarray(
    0,
    KEY_ID_BYTES,
  );
  return {
    keyId,
    encrypt(text) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, nonce);
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return {
        encrypted_value: Buffer.concat([nonce, body, cipher.getAuthTag()]),
        encryption_version: GCM,
        key_id: keyId,
      };
    },
    decrypt(value, version) {
      if (version === PLAIN) return value.toString('utf8');
      if (version !== GCM) throw new Error(`encryption version ${version} is not known`);
      const text = [key, ...previous].reduce<string | null>((found, one) => found ?? tryToOpen(one, value), null);
      if (text === null) throw new Error('no key opens this value');
      return text;
    },
  };
}
