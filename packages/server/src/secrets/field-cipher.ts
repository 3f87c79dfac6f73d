// Encryption of single fields inside a document (chapter 20 §9): `ec1:` before base64 of what the cipher writes. Whoever keeps the
// document also keeps the name of the key, and writes it again when that changes.

import type { Cipher } from './cipher.ts';

const PREFIX = 'ec1:';
const VERSION = 1;

export interface FieldCipher {
  /** Names the key that seals now. */
  readonly keyId: Buffer;
  /** What is sealed already stays as it is. */
  seal(text: string): string;
  /** Text without the prefix is plain. @throws Error for a value none of the keys wrote. */
  open(text: string): string;
}

export function createFieldCipher(cipher: Cipher): FieldCipher {
  return {
    keyId: cipher.keyId,
    seal(text) {
      if (text.startsWith(PREFIX)) return text;
      return PREFIX + cipher.encrypt(text).encrypted_value.toString('base64');
    },
    open(text) {
      if (!text.startsWith(PREFIX)) return text;
      return cipher.decrypt(Buffer.from(text.slice(PREFIX.length), 'base64'), VERSION);
    },
  };
}
