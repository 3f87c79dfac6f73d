// The parts of undici that the platform calls others with: those of the runtime, and its pool. Who may be called is `outbound`'s
// decision.

import { createRequire } from 'node:module';
import type * as undici from 'undici';

export { Agent, request } from '@molecule/runtime/link/http-client';
export type { Dispatcher } from 'undici';
export type Pool = undici.Pool;
export const Pool: typeof undici.Pool = createRequire(import.meta.url)('undici/lib/dispatcher/pool.js');
