// Which runtimes are known (chapter 10 §1.1) and what they need by default (chapter 30 §2.5).

import { BUILT_IN_RUNTIMES } from '@molecule/contract';
import { PlatformError } from '../platform/errors.ts';

/** A template says `default`: the platform picks `ai-sdk` when a model key is there, else `echo`. */
export const RUNTIME_CHOICE = 'default';

export function listKnownRuntimes(): string[] {
  return [...BUILT_IN_RUNTIMES];
}

/** @throws unknown_runtime with the known ones (ruling R8). */
export function assertKnownRuntime(runtime: string): void {
  const known = listKnownRuntimes();
  if (!known.includes(runtime))
    throw new PlatformError('unknown_runtime', `runtime ${JSON.stringify(runtime)} is not known here`, {
      field: 'runtime',
      known_runtimes: known,
    });
}
