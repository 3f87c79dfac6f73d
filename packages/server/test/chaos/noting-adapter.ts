// The agent of a chaos run's targets: takes the time its message asks for, and notes every beginning and end.

import { randomUUID } from 'node:crypto';
import { setTimeout as work } from 'node:timers/promises';
import type { Adapter as RuntimeAdapter } from '@molecule/runtime';
import { appendLine } from './journal.ts';

const life = randomUUID();
const path = process.env.CHAOS_JOURNAL ?? '';

export const Adapter: RuntimeAdapter = {
  name: () => 'echo',
  displayName: () => 'Noting',
  description: () => 'Notes its turns.',
  configSchema: () => ({ type: 'object' }),
  capabilities: () => ({}),
  idleTimeoutOverride: () => null,
  memoryFilename: () => 'AGENTS.md',
  setup: async () => {},
  createExecutor: async () => ({
    async run({ text, contextId }, emit, signal) {
      const [name = '', , workMs = '0'] = text.split(' ');
      const note = (step: 'begin' | 'end') => appendLine(path, { step, name, contextId, life, atMs: Date.now() });
      note('begin');
      emit.text('did ');
      await work(Number(workMs), undefined, { signal });
      note('end');
      return { text: `did ${name}` };
    },
  }),
};
