// Opens the chosen model: the provider's package, its address and key, and a fetch that outlasts an overloaded provider.

import { setTimeout as sleep } from 'node:timers/promises';
import type { LanguageModel } from 'ai';
import type { Logger } from '../../logger.ts';
import { AgentError, isOverloaded } from '../../turn/failure.ts';
import { findBaseUrl, findKey, type ModelChoice } from './providers.ts';

const LIST_TIMEOUT_MS = 5_000;
const MOST_LOGGED = 500;
/** For servers of one's own, which ask for no key but whose client wants one. */
const NO_KEY = 'none';

type Fetch = typeof globalThis.fetch;
type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Repeats a model call the provider had no room for (chapter 40 §9). Inside the tool loop, so that what the turn has already
 * done is not done again. In the end it throws, so that the runtime does not repeat the whole turn on top.
 */
export function createPatientFetch(delaysMs: readonly number[], log: Logger): Fetch {
  return async (input, init) => {
    for (let attempt = 0; ; attempt += 1) {
      const response = await globalThis.fetch(input, init);
      if (!isOverloaded(response.status)) return response;
      const said = (await response.text()).slice(0, MOST_LOGGED);
      const delay = delaysMs[attempt];
      if (delay === undefined) throw new AgentError('rate_limited', `the provider answers ${response.status}: ${said}`);
      log.warn({ status: response.status, said, attempt }, 'the model is overloaded; trying again');
      await sleep(delay, undefined, init?.signal ? { signal: init.signal } : {});
    }
  };
}

/** @throws Error fit for an operator when the provider lists none. */
async function findFirstModel(url: string, key: string | null, variable: string): Promise<string> {
  const hint = `set MODEL_PROVIDER to name a model, or check ${variable}`;
  try {
    const response = await globalThis.fetch(`${url}/models`, {
      headers: key === null ? {} : { authorization: `Bearer ${key}`, 'x-api-key': key },
      signal: AbortSignal.timeout(LIST_TIMEOUT_MS),
    });
    const listed = (await response.json()) as { data?: { id?: unknown }[] };
    const id = listed.data?.find((model) => typeof model.id === 'string')?.id;
    if (typeof id === 'string') return id;
  } catch (error) {
    throw new Error(`the models of ${url} cannot be listed; ${hint}`, { cause: error });
  }
  throw new Error(`${url} lists no models; ${hint}`);
}

export interface OpenModel {
  model: LanguageModel;
  /** `provider:model` as it runs. */
  name: string;
}

export interface OpenModelInput {
  choice: ModelChoice;
  env: Environment;
  /** `chat` or `responses`; OpenAI itself speaks the newer one, servers that imitate it the older. */
  api: 'chat' | 'responses' | null;
  fetch: Fetch;
}

export async function openModel({ choice, env, api, fetch }: OpenModelInput): Promise<OpenModel> {
  const { provider } = choice;
  const key = findKey(provider, env);
  const { url, isCustom } = findBaseUrl(provider, env);
  const modelId = choice.modelId ?? (await findFirstModel(url, key, provider.baseUrlName));
  const name = `${provider.prefix}:${modelId}`;
  switch (provider.wire) {
    case 'anthropic': {
      const { createAnthropic } = await import('@ai-sdk/anthropic');
      return { name, model: createAnthropic({ apiKey: key ?? NO_KEY, baseURL: url, fetch })(modelId) };
    }
    case 'openai': {
      const { createOpenAI } = await import('@ai-sdk/openai');
      const openai = createOpenAI({ apiKey: key ?? NO_KEY, baseURL: url, fetch });
      const speaksChat = api === null ? isCustom : api === 'chat';
      return { name, model: speaksChat ? openai.chat(modelId) : openai.responses(modelId) };
    }
    case 'compatible': {
      const { createOpenAICompatible } = await import('@ai-sdk/openai-compatible');
      const settings = { name: provider.prefix, baseURL: url, includeUsage: true, fetch };
      return { name, model: createOpenAICompatible(key === null ? settings : { ...settings, apiKey: key })(modelId) };
    }
  }
}
