// Which model runs, by configuration and environment.

import { MODEL_NAME, startModelServer } from '@molecule/testkit/model-server';
import { describe, expect, it, onTestFinished } from 'vitest';
import { messageOf, startTestAgent } from '../../../test/test-agent.ts';
import { DEFAULT_MODEL } from '../../config.ts';
import { createAiSdkAdapter } from './index.ts';
import { chooseModel, findBaseUrl, findKey, PROVIDERS } from './providers.ts';

const provider = (prefix: string) => {
  const found = PROVIDERS.find((one) => one.prefix === prefix);
  if (!found) throw new Error(`no provider ${prefix}`);
  return found;
};

const chosen = (model: string, env: Record<string, string>) => {
  const { choice } = chooseModel(model, env);
  return choice && `${choice.provider.prefix}:${choice.modelId ?? '?'}`;
};

describe('the choice', () => {
  it('knows the prefixes of chapter 40 §11, each with its key and address', () => {
    expect(PROVIDERS.map(({ prefix }) => prefix).sort()).toEqual(
      [
        ...['anthropic', 'openai', 'openrouter', 'groq', 'cerebras', 'qianfan', 'google_genai', 'gemini', 'ollama'],
        ...['xai', 'deepseek', 'mistral', 'minimax', 'glm', 'kimi', 'qwen'],
      ].sort(),
    );
    for (const { prefix, keys, baseUrlName, baseUrl } of PROVIDERS) {
      expect(keys[0]).toBe(`${prefix.toUpperCase()}_API_KEY`);
      expect(baseUrlName).toBe(`${prefix.toUpperCase()}_BASE_URL`);
      expect(URL.canParse(baseUrl)).toBe(true);
    }
  });

  it('takes the model as it is configured; without a prefix Anthropic is meant', () => {
    expect(chosen('groq:llama', { GROQ_API_KEY: 'k' })).toBe('groq:llama');
    expect(chosen('openrouter:meta/llama:free', { OPENROUTER_API_KEY: 'k' })).toBe('openrouter:meta/llama:free');
    expect(chosen('claude-opus-4-7', { ANTHROPIC_API_KEY: 'k' })).toBe('anthropic:claude-opus-4-7');
    expect(chosen('ollama:llama3', {})).toBe('ollama:llama3');
    expect(chosen('google_genai:gemini', { GOOGLE_API_KEY: 'k' })).toBe('google_genai:gemini');
    expect(chosen('mistral:own', { MISTRAL_BASE_URL: 'http://127.0.0.1:1' })).toBe('mistral:own');
  });

  it('with a model nobody chose, runs on whichever provider has a key', () => {
    expect(chosen(DEFAULT_MODEL, { OPENAI_API_KEY: 'k' })).toBe('openai:gpt-5');
    expect(chosen(DEFAULT_MODEL, { OPENAI_API_KEY: 'k', OPENAI_BASE_URL: 'http://127.0.0.1:1/v1' })).toBe('openai:?');
    expect(chosen(DEFAULT_MODEL, { OLLAMA_BASE_URL: 'http://127.0.0.1:1' })).toBe('ollama:?');
    expect(chosen(DEFAULT_MODEL, { OPENAI_API_KEY: 'k', ANTHROPIC_API_KEY: 'k' })).toBe(DEFAULT_MODEL);
  });

  it('never replaces a model somebody chose', () => {
    const env = { OPENAI_API_KEY: 'k' };
    expect(chosen('xai:grok', env)).toBeNull();
    expect(chosen(DEFAULT_MODEL, { ...env, MODEL_PROVIDER: DEFAULT_MODEL })).toBeNull();
  });

  it('names the key that is missing, the prefix that is unknown, and the model that is not named', () => {
    const titleOf = (model: string) => chooseModel(model, {}).issue?.title;
    expect(titleOf(DEFAULT_MODEL)).toBe('ANTHROPIC_API_KEY is not set');
    expect(titleOf('openai:gpt-5')).toBe('OPENAI_API_KEY is not set');
    expect(titleOf('google_genai:gemini')).toBe('GOOGLE_GENAI_API_KEY is not set');
    expect(titleOf('no-such:model')).toBe('Unknown model provider');
    expect(titleOf('openai:')).toBe('No model named');
  });

  it('reads keys and addresses as people write them', () => {
    expect(findKey(provider('gemini'), { GEMINI_API_KEY: ' ', GOOGLE_API_KEY: ' k ' })).toBe('k');
    const urlOf = (prefix: string, given: string) =>
      findBaseUrl(provider(prefix), { [provider(prefix).baseUrlName]: given }).url;
    expect(urlOf('ollama', 'http://localhost:1234/')).toBe('http://localhost:1234/v1');
    expect(urlOf('openai', 'https://proxy.test/openai/v1/')).toBe('https://proxy.test/openai/v1');
    expect(urlOf('anthropic', 'https://proxy.test/anthropic')).toBe('https://proxy.test/anthropic/v1');
    expect(urlOf('anthropic', 'https://proxy.test/v1')).toBe('https://proxy.test/v1');
    expect(findBaseUrl(provider('openai'), { OPENAI_BASE_URL: 'https://api.openai.com/v1' }).isCustom).toBe(false);
  });
});

describe('a whole agent', () => {
  const start = (env: Record<string, string>, config: Record<string, unknown> = {}) =>
    startTestAgent({ adapter: createAiSdkAdapter(), env, config });

  it('runs on a server of one’s own without any key, with the first model it lists', async () => {
    const server = await startModelServer();
    onTestFinished(() => server.stop());
    for (const variable of ['OPENAI_BASE_URL', 'OLLAMA_BASE_URL', 'GROQ_BASE_URL']) {
      const test = await start({ [variable]: server.url });
      const { body } = await test.call('message/send', messageOf('hi'));
      expect(body.result.parts[0].text).toBe('ok');
      expect(server.requests.at(-1)).toMatchObject({ wire: 'chat', model: MODEL_NAME });
    }
  });

  it('sends each provider its own key', async () => {
    const server = await startModelServer();
    onTestFinished(() => server.stop());
    const test = await start(
      { XAI_API_KEY: 'xai-key', XAI_BASE_URL: server.baseUrl, OPENAI_API_KEY: 'openai-key' },
      { model: 'xai:grok' },
    );
    await test.call('message/send', messageOf('hi'));
    expect(server.requests[0]?.headers.authorization).toBe('Bearer xai-key');
  });

  it('does not start without a key, and says which', async () => {
    await expect(start({})).rejects.toMatchObject({
      issues: [
        {
          severity: 'fail',
          title: 'ANTHROPIC_API_KEY is not set',
          detail: `the model ${DEFAULT_MODEL} needs it, and no other model key was found`,
          fix: 'save it as a secret, or choose another model',
        },
      ],
    });
  });

  it('says what to do when a server of one’s own cannot be asked for its models', async () => {
    const server = await startModelServer();
    await server.stop();
    await expect(start({ OPENAI_BASE_URL: server.baseUrl })).rejects.toThrow(
      'cannot be listed; set MODEL_PROVIDER to name a model, or check OPENAI_BASE_URL',
    );
  });
});
