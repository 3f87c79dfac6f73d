// Reading what a channel sends: JSON of which nothing is known before it was looked at.

import { PlatformError } from '../../platform/errors.ts';

export type Fields = Record<string, unknown>;

export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Empty for what is no text. */
export const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Empty for what is no object. */
export const fieldsOf = (value: unknown): Fields => (isFields(value) ? value : {});

/** @throws invalid_json */
export function parseFields(body: Buffer): Fields {
  let value: unknown;
  try {
    value = JSON.parse(body.toString());
  } catch (error) {
    throw new PlatformError('invalid_json', 'invalid JSON', {}, { cause: error });
  }
  if (!isFields(value)) throw new PlatformError('invalid_json', 'invalid JSON');
  return value;
}
