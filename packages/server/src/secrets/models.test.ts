import { describe, expect, it } from 'vitest';
import { isModelVariable } from '../config.ts';
import { defaultModel, fittingModel, isDefaultModel, sortByProvider } from './models.ts';

const PREFIXES = [
  'anthropic',
  'openai',
  'openrouter',
  'groq',
  'cerebras',
  'qianfan',
  'google_genai',
  'gemini',
  'ollama',
  'xai',
  'deepseek',
  'mistral',
  'minimax',
  'glm',
  'kimi',
  'qwen',
];

describe('the model nobody chose', () => {
  it('every provider of chapter 40 §11 has one of its own, behind its key and behind its address', () => {
    for (const prefix of PREFIXES)
      for (const kind of ['API_KEY', 'BASE_URL']) {
        const name = `${prefix.toUpperCase()}_${kind}`;
        expect([name, isModelVariable(name)]).toEqual([name, true]);
        expect(fittingModel('ai-sdk', [name])).toMatch(new RegExp(`^${prefix}:[\\w./:-]+$`, 'i'));
      }
  });

  it('the first credential counts; what is no model credential does not; without any it is the runtime’s default', () => {
    expect(fittingModel('ai-sdk', ['GITHUB_API_KEY', 'OLLAMA_BASE_URL', 'ANTHROPIC_API_KEY'])).toBe('ollama:llama3.2');
    expect(fittingModel('langgraph', ['SLACK_BASE_URL', 'HOME'])).toBe(defaultModel('langgraph'));
    expect(fittingModel('claude-code', ['OPENAI_API_KEY'])).toBe('sonnet');
  });

  it('credentials that came together are ranked by provider, the best known first', () => {
    expect(sortByProvider(['OLLAMA_BASE_URL', 'OPENAI_API_KEY', 'ANTHROPIC_BASE_URL', 'OPENAI_BASE_URL'])).toEqual([
      'ANTHROPIC_BASE_URL',
      'OPENAI_API_KEY',
      'OPENAI_BASE_URL',
      'OLLAMA_BASE_URL',
    ]);
  });

  it('a generated configuration may give way, a choice may not', () => {
    for (const model of [undefined, defaultModel('ai-sdk'), defaultModel('claude-code')])
      expect(isDefaultModel(model)).toBe(true);
    for (const model of ['openai:gpt-5', 'anthropic:claude-haiku-4-5', '']) expect(isDefaultModel(model)).toBe(false);
  });
});
