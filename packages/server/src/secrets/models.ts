// Which model an agent gets when nobody named one (chapter 30 §2.5), and which runtime a team gets that left it to us.
// Pure: it sees the names of credentials, never their values.

import { isModelVariable } from '../config.ts';

const UNIVERSAL = 'anthropic:claude-opus-4-7';
const CLAUDE_CODE = 'sonnet';

/** A capable, long-lived model of each provider of chapter 40 §11, by the prefix of its variables; the best known first. */
const PROVIDER_MODELS: Readonly<Record<string, string>> = {
  ANTHROPIC: UNIVERSAL,
  OPENAI: 'openai:gpt-5',
  OPENROUTER: 'openrouter:openrouter/auto',
  GEMINI: 'gemini:gemini-2.5-pro',
  GOOGLE_GENAI: 'google_genai:gemini-2.5-pro',
  GROQ: 'groq:llama-3.3-70b-versatile',
  CEREBRAS: 'cerebras:llama-3.3-70b',
  XAI: 'xai:grok-4',
  DEEPSEEK: 'deepseek:deepseek-chat',
  MISTRAL: 'mistral:mistral-large-latest',
  QWEN: 'qwen:qwen-max',
  KIMI: 'kimi:kimi-latest',
  GLM: 'glm:glm-4.6',
  MINIMAX: 'minimax:MiniMax-M2',
  QIANFAN: 'qianfan:ernie-4.5-turbo-128k',
  OLLAMA: 'ollama:llama3.2',
};
const PROVIDERS = Object.keys(PROVIDER_MODELS);

/** `OPENAI` for `OPENAI_API_KEY` and `OPENAI_BASE_URL`; null when no model can be called with it. */
const providerOf = (name: string) => (isModelVariable(name) ? name.replace(/_(API_KEY|BASE_URL)$/, '') : null);

/** Never empty, case-sensitive. */
export function defaultModel(runtime: string): string {
  return runtime === 'claude-code' ? CLAUDE_CODE : UNIVERSAL;
}

/** True for what a generated configuration holds when nobody chose: it may give way to a model there is a key for. */
export function isDefaultModel(model: string | undefined): boolean {
  return model === undefined || model === UNIVERSAL || model === CLAUDE_CODE;
}

/** Best known provider first, whatever order the names come in. */
export function sortByProvider(names: Iterable<string>): string[] {
  const rank = (name: string) => PROVIDERS.indexOf(providerOf(name) ?? '');
  return [...names].sort((a, b) => rank(a) - rank(b));
}

/** @param names of credentials, the one that counts first: the model of its provider, else the runtime's default. */
export function fittingModel(runtime: string, names: readonly string[]): string {
  if (runtime === 'claude-code') return CLAUDE_CODE;
  const provider = names.map(providerOf).find((found) => found !== null);
  return PROVIDER_MODELS[provider ?? ''] ?? UNIVERSAL;
}
