// The model a runtime gets when nobody named one (chapter 30 §2.5): never empty, case-sensitive.

const UNIVERSAL = 'anthropic:claude-opus-4-7';

export function defaultModel(runtime: string): string {
  return runtime === 'claude-code' ? 'sonnet' : UNIVERSAL;
}
