// Images of an in-memory database, so that a test starts from a migrated one in a third of a second.

import { readFileSync } from 'node:fs';

export function readDump(source: Uint8Array | string | undefined): Uint8Array | null {
  if (source === undefined) return null;
  return typeof source === 'string' ? new Uint8Array(readFileSync(source)) : source;
}
