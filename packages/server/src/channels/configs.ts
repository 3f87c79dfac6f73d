// How a channel's config is kept and shown (chapter 20 §9): secret fields sealed one by one, masked where people read them, and a
// mask that comes back means that the secret stays.

import type { ChannelField } from '@molecule/contract';
import type { FieldCipher } from '../secrets/index.ts';
import type { ChannelAdapter, ChannelConfig } from './adapters/adapter.ts';

const SHOWN = 4;
const MOST_HIDDEN_WHOLE = 8;
const HIDDEN = '***';

/** First four…last four; nothing of a short one. */
export function mask(secret: string): string {
  if (secret.length <= MOST_HIDDEN_WHOLE) return HIDDEN;
  return `${secret.slice(0, SHOWN)}…${secret.slice(-SHOWN)}`;
}

const isSecret = (fields: readonly ChannelField[], key: string) =>
  fields.some((field) => field.key === key && field.sensitive);

/** Empty fields are not set. */
const withoutEmpty = (config: ChannelConfig) =>
  Object.fromEntries(
    Object.entries(config)
      .map(([key, value]): [string, string] => [key, value.trim()])
      .filter(([, value]) => value !== ''),
  );

export function createConfigs(cipher: FieldCipher) {
  const mapSecrets = (adapter: ChannelAdapter, config: ChannelConfig, change: (value: string) => string) =>
    Object.fromEntries(
      Object.entries(config).map(([key, value]) => [key, isSecret(adapter.fields, key) ? change(value) : value]),
    );

  const openAll = (adapter: ChannelAdapter, stored: ChannelConfig): ChannelConfig =>
    mapSecrets(adapter, stored, cipher.open);

  return {
    keyId: cipher.keyId,
    /** @throws Error when a secret cannot be decrypted. */
    open: openAll,
    seal: (adapter: ChannelAdapter, config: ChannelConfig): Record<string, string> =>
      mapSecrets(adapter, withoutEmpty(config), cipher.seal),
    /** For people. What cannot be decrypted is hidden whole. */
    show(adapter: ChannelAdapter, stored: ChannelConfig): Record<string, string> {
      return mapSecrets(adapter, stored, (value) => {
        try {
          return mask(cipher.open(value));
        } catch {
          return HIDDEN;
        }
      });
    },
    /** `given` with every mask replaced by the secret it masks. */
    keepMasked(adapter: ChannelAdapter, stored: ChannelConfig, given: ChannelConfig): ChannelConfig {
      const known = openAll(adapter, stored);
      return Object.fromEntries(
        Object.entries(given).map(([key, value]) => {
          const secret = known[key];
          const isKept = isSecret(adapter.fields, key) && secret !== undefined && value === mask(secret);
          return [key, isKept ? secret : value];
        }),
      );
    },
  };
}

export type Configs = ReturnType<typeof createConfigs>;
