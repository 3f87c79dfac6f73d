// The shape of one agent tool (spec chapter 40 §13): framework-neutral; adapters convert it.

export interface ToolCallContext {
  /** Task id of the turn that calls; part of idempotency keys. */
  turnId: string;
  contextId: string;
  signal: AbortSignal;
}

export interface ToolSpec {
  name: string;
  description: string;
  /** When the agent should reach for it; rendered in the prompt's tool guide. */
  whenToUse: string;
  /** JSON Schema of the input object. */
  inputSchema: Record<string, unknown>;
  /** Resolves with a JSON value; expected failures are `{ok:false, error, hint?}`, never a throw. */
  run(input: Record<string, unknown>, context: ToolCallContext): Promise<unknown>;
}
