// An adapter made of one function, for tests of everything around adapters.

import type { Adapter, AdapterContext, Emit, Turn, TurnResult } from '../src/adapters/adapter.ts';

export type RunTurn = (
  turn: Turn,
  emit: Emit,
  signal: AbortSignal,
  context: AdapterContext,
) => Promise<TurnResult> | TurnResult;

export function createScriptedAdapter(run: RunTurn, overrides: Partial<Adapter> = {}): Adapter {
  return {
    name: () => 'scripted',
    displayName: () => 'Scripted',
    description: () => '',
    configSchema: () => ({}),
    capabilities: () => ({}),
    idleTimeoutOverride: () => null,
    memoryFilename: () => 'MEMORY.md',
    setup: async () => {},
    createExecutor: async (context) => ({ run: async (turn, emit, signal) => await run(turn, emit, signal, context) }),
    ...overrides,
  };
}
