// Making, hashing and comparing secrets. Nothing here remembers one.

import { hash, randomBytes, timingSafeEqual } from 'node:crypto';

/** 32 random bytes as base64url: 43 characters. */
export function createSecret(): string {
  return randomBytes(32).toString('base64url');
}

export function hashSecret(secret: string): Buffer {
  return hash('sha256', secret, 'buffer');
}

/** What lists and logs may show of a token. */
export function prefixOf(secret: string): string {
  return secret.slice(0, 8);
}

/** Constant time, whatever the lengths. */
export function equalSecrets(given: string, expected: string): boolean {
  return timingSafeEqual(hashSecret(given), hashSecret(expected));
}

/** Constant time; for a secret that is compared with every request and hashed once. */
export function equalHashes(given: Buffer, expected: Buffer): boolean {
  return timingSafeEqual(given, expected);
}
