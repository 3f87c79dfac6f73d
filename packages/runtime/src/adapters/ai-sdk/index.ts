// The `ai-sdk` adapter (chapter 40 §11): a tool loop over any provider the AI SDK speaks to. The SDK is loaded in `setup()` only.

import type { LanguageModel } from 'ai';
import type { Adapter } from '../adapter.ts';
import { createSessionLog, recordTurns } from '../session-log.ts';
import { createAiSdkExecutor } from './executor.ts';
import { createPatientFetch, openModel } from './models.ts';
import { chooseModel } from './providers.ts';

const MOST_STEPS = 50;
const APIS = ['chat', 'responses'] as const;

export function createAiSdkAdapter(): Adapter {
  const session = createSessionLog();
  let opened: { sdk: typeof import('ai'); model: LanguageModel } | null = null;
  return {
    name: () => 'ai-sdk',
    displayName: () => 'AI SDK',
    description: () => 'A tool loop over any model provider.',
    configSchema: () => ({
      type: 'object',
      properties: {
        max_steps: { type: 'integer', minimum: 1, default: MOST_STEPS, description: 'Model calls of one turn.' },
        api: { enum: APIS, description: 'Which of its two APIs OpenAI is spoken to over.' },
      },
    }),
    capabilities: () => ({}),
    idleTimeoutOverride: () => null,
    memoryFilename: () => 'MEMORY.md',
    preflight(config, env) {
      const { issue } = chooseModel(config.model, env);
      return issue ? [issue] : [];
    },
    async setup({ config, env, log, retryDelaysMs }) {
      const { choice, issue } = chooseModel(config.model, env);
      if (!choice) throw new Error(`${issue.title}: ${issue.detail}`);
      const sdk = await import('ai');
      // The SDK writes its warnings to the console unless it is told where they belong.
      globalThis.AI_SDK_LOG_WARNINGS = ({ warnings }) => log.debug({ warnings }, 'the provider ignores a setting');
      const api = APIS.find((one) => one === config.runtimeConfig.api) ?? null;
      const { model, name } = await openModel({ choice, env, api, fetch: createPatientFetch(retryDelaysMs, log) });
      if (name !== config.model) log.warn({ model: name, configured: config.model }, 'another model has a key');
      log.info({ model: name }, 'the model is ready');
      opened = { sdk, model };
    },
    async createExecutor(context) {
      if (!opened) throw new Error('setup() comes first');
      const steps = context.config.runtimeConfig.max_steps;
      const mostSteps = typeof steps === 'number' && Number.isInteger(steps) && steps > 0 ? steps : MOST_STEPS;
      return recordTurns(createAiSdkExecutor({ ...opened, context, mostSteps }), session);
    },
    transcript: async (since, limit) => session.read(since, limit),
  };
}
