// Which provider a `provider:model` means, and whether this environment can reach it (chapter 40 §11). Pure: reads variables only.

import { DEFAULT_MODEL } from '../../config.ts';
import type { PreflightIssue } from '../adapter.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface Provider {
  prefix: string;
  /** Variables that hold its key; the first is the one people are asked for. */
  keys: readonly [string, ...string[]];
  /** Variable that holds another address. */
  baseUrlName: string;
  baseUrl: string;
  wire: 'anthropic' | 'openai' | 'compatible';
  /** What runs when this is the only provider with a key and nobody chose a model; null = the first one it lists. */
  standardModel: string | null;
  needsKey: boolean;
}

interface Description {
  baseUrl: string;
  standardModel: string | null;
  wire?: Provider['wire'];
  /** Other variables that hold its key. */
  otherKeys?: string[];
  needsKey?: false;
}

const DESCRIPTIONS: Record<string, Description> = {
  anthropic: { baseUrl: 'https://api.anthropic.com/v1', standardModel: 'claude-opus-4-7', wire: 'anthropic' },
  openai: { baseUrl: 'https://api.openai.com/v1', standardModel: 'gpt-5', wire: 'openai' },
  openrouter: { baseUrl: 'https://openrouter.ai/api/v1', standardModel: 'openrouter/auto' },
  groq: { baseUrl: 'https://api.groq.com/openai/v1', standardModel: 'openai/gpt-oss-120b' },
  cerebras: { baseUrl: 'https://api.cerebras.ai/v1', standardModel: 'gpt-oss-120b' },
  qianfan: { baseUrl: 'https://qianfan.baidubce.com/v2', standardModel: 'ernie-4.5-turbo-128k' },
  google_genai: {
    baseUrl: 'https://generativelanguage.googleapis.com/v1beta/openai',
    standardModel: 'gemini-2.5-pro',
    otherKeys: ['GOOGLE_API_KEY', 'GEMINI_API_KEY'],
  },
  gemini: {
    baseUrl: 'https://generativelanguage.googleapis.com/v1beta/openai',
    standardModel: 'gemini-2.5-pro',
    otherKeys: ['GOOGLE_API_KEY'],
  },
  ollama: { baseUrl: 'http://localhost:11434/v1', standardModel: null, needsKey: false },
  xai: { baseUrl: 'https://api.x.ai/v1', standardModel: 'grok-4' },
  deepseek: { baseUrl: 'https://api.deepseek.com/v1', standardModel: 'deepseek-chat' },
  mistral: { baseUrl: 'https://api.mistral.ai/v1', standardModel: 'mistral-large-latest' },
  minimax: { baseUrl: 'https://api.minimax.io/v1', standardModel: 'MiniMax-M2' },
  glm: { baseUrl: 'https://open.bigmodel.cn/api/paas/v4', standardModel: 'glm-4.6' },
  kimi: { baseUrl: 'https://api.moonshot.ai/v1', standardModel: 'kimi-latest' },
  qwen: { baseUrl: 'https://dashscope-intl.aliyuncs.com/compatible-mode/v1', standardModel: 'qwen-max' },
};

function toProvider([prefix, description]: [string, Description]): Provider {
  const name = prefix.toUpperCase();
  return {
    prefix,
    keys: [`${name}_API_KEY`, ...(description.otherKeys ?? [])],
    baseUrlName: `${name}_BASE_URL`,
    baseUrl: description.baseUrl,
    wire: description.wire ?? 'compatible',
    standardModel: description.standardModel,
    needsKey: description.needsKey ?? true,
  };
}

/** In the order in which one is picked when nobody chose. */
export const PROVIDERS: readonly Provider[] = Object.entries(DESCRIPTIONS).map(toProvider);

const text = (env: Environment, name: string): string | null => env[name]?.trim() || null;

export function findKey(provider: Provider, env: Environment): string | null {
  return provider.keys.map((name) => text(env, name)).find((key) => key !== null) ?? null;
}

/**
 * Where the provider is: its variable, else its own address.
 * An address without a path gets `/v1`; for Anthropic, whose variable names the host, any path does.
 */
export function findBaseUrl(provider: Provider, env: Environment): { url: string; isCustom: boolean } {
  const given = text(env, provider.baseUrlName)?.replace(/\/+$/, '');
  if (!given || given === provider.baseUrl) return { url: provider.baseUrl, isCustom: false };
  const lacksVersion = provider.wire === 'anthropic' ? !given.endsWith('/v1') : /^https?:\/\/[^/]+$/.test(given);
  return { url: lacksVersion ? `${given}/v1` : given, isCustom: true };
}

/** A key, or an address of one's own, which may need none. */
const isSetUp = (provider: Provider, env: Environment) =>
  findKey(provider, env) !== null || findBaseUrl(provider, env).isCustom;

export interface ModelChoice {
  provider: Provider;
  /** Null: the first one the provider lists. */
  modelId: string | null;
}

export type ChoiceResult = { choice: ModelChoice; issue: null } | { choice: null; issue: PreflightIssue };

const refuse = (title: string, detail: string, fix: string): ChoiceResult => ({
  choice: null,
  issue: { severity: 'fail', title, detail, fix },
});

/**
 * The configured model. When nobody chose one and its provider has no key, the first provider that is set up takes its place.
 * @param model `provider:model`; without a prefix Anthropic is meant.
 */
export function chooseModel(model: string, env: Environment): ChoiceResult {
  const colon = model.indexOf(':');
  const prefix = colon < 0 ? 'anthropic' : model.slice(0, colon);
  const modelId = model.slice(colon + 1);
  const provider = PROVIDERS.find((one) => one.prefix === prefix);
  if (!provider)
    return refuse(
      'Unknown model provider',
      `${model} begins with none of the known prefixes`,
      `write provider:model with one of ${PROVIDERS.map((one) => one.prefix).join(', ')}`,
    );
  if (modelId === '') return refuse('No model named', `${model} names a provider only`, 'write provider:model');
  if (!provider.needsKey || isSetUp(provider, env)) return { choice: { provider, modelId }, issue: null };
  const wasChosen = model !== DEFAULT_MODEL || text(env, 'MODEL_PROVIDER') !== null;
  const other = wasChosen ? undefined : PROVIDERS.find((one) => isSetUp(one, env));
  if (other) {
    const { isCustom } = findBaseUrl(other, env);
    return { choice: { provider: other, modelId: isCustom ? null : other.standardModel }, issue: null };
  }
  return refuse(
    `${provider.keys[0]} is not set`,
    wasChosen ? `the model ${model} needs it` : `the model ${model} needs it, and no other model key was found`,
    'save it as a secret, or choose another model',
  );
}
