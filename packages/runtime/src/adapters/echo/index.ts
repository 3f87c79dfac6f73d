// The `echo` adapter (chapter 40 §11): a scripted agent that needs no model and says so. It lets a team be tried without a key,
// and is what tests run. The README beside this file lists what scripts it.

import type { Adapter } from '../adapter.ts';
import { createSessionLog, recordTurns } from '../session-log.ts';
import { createEchoExecutor } from './executor.ts';

export function createEchoAdapter(): Adapter {
  const session = createSessionLog();
  return {
    name: () => 'echo',
    displayName: () => 'Scripted (echo)',
    description: () => 'Answers by script; no model is connected.',
    configSchema: () => ({
      type: 'object',
      properties: {
        pace_ms: {
          type: 'integer',
          minimum: 0,
          default: 5,
          description: 'Milliseconds between two pieces of an answer.',
        },
      },
    }),
    capabilities: () => ({}),
    idleTimeoutOverride: () => null,
    memoryFilename: () => 'MEMORY.md',
    setup: async () => {},
    createExecutor: async (context) => recordTurns(createEchoExecutor(context), session),
    transcript: async (since, limit) => session.read(since, limit),
  };
}
