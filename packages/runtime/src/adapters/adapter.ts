// The contract between the runtime and one agent framework (spec chapter 40 §10).
// Owns the shapes. Adapters depend on this file; the runtime core never imports an adapter except through the registry.

import type { Logger } from 'pino';
import type { ToolSpec } from '../tools/tool.ts';

const CAPABILITY_NAMES = [
  'heartbeat',
  'scheduler',
  'session',
  'status_mgmt',
  'retry',
  'activity_decoration',
  'channel_dispatch',
] as const;

/** What the adapter takes over from the platform; every key defaults to false (chapter 40 §10). */
export type Capabilities = Record<(typeof CAPABILITY_NAMES)[number], boolean>;

/** All keys, whatever the adapter leaves out. @throws what the adapter throws */
export function readCapabilities(adapter: Pick<Adapter, 'capabilities'>): Capabilities {
  const declared = adapter.capabilities();
  return Object.fromEntries(CAPABILITY_NAMES.map((name) => [name, declared[name] === true])) as Capabilities;
}

export interface PreflightIssue {
  severity: 'fail' | 'warn';
  title: string;
  detail: string;
  fix: string;
}

/** A JSON Schema object (draft 2020-12); kept opaque here, rendered by the canvas' Config form. */
export type JsonSchema = Record<string, unknown>;

export interface FilePart {
  /** `workspace:<absolute path>` or another URI of chapter 20 §7. */
  uri: string;
  name: string;
  mimeType?: string;
  /** Bytes, when known. */
  size?: number;
}

export interface HistoryEntry {
  role: 'user' | 'agent';
  text: string;
}

/** One execution of the agent on one message. */
export interface Turn {
  /** A2A task id of this turn. */
  id: string;
  contextId: string;
  messageId: string;
  /** Workspace id of the calling peer; null when a person (or the platform) speaks. */
  callerId: string | null;
  /** All text parts joined with newlines, after compliance checks. */
  text: string;
  files: FilePart[];
  /** At most 20 earlier chat turns; empty for native-session adapters. */
  history: HistoryEntry[];
  /** Message metadata as received; `delegation_id`, `internal`, … */
  metadata: Record<string, unknown>;
  /** Unread delegation results, already rendered as quoted data lines; null when there are none (chapter 40 §7). */
  delegationResults: string | null;
}

export interface ToolTraceEntry {
  tool: string;
  /** ≤ 500 characters. */
  input: string;
  /** ≤ 300 characters. */
  output_preview: string;
  ms: number;
  ok: boolean;
}

export interface TurnResult {
  /** The whole answer, beginning with what was streamed; empty = what was streamed is all of it. */
  text: string;
  files?: FilePart[];
  usage?: { input_tokens: number; output_tokens: number };
}

/** How a running turn speaks: text chunks become appended A2A artifact chunks, tool calls become the trace. */
export interface Emit {
  text(chunk: string): void;
  /** The agent needs a person: surfaces as `input-required`. */
  status(text: string): void;
  /** The next chunk belongs to another model call: it opens an artifact of its own. */
  segment(): void;
  /** A finished tool call, for the reply's trace; cut and redacted by the runtime. */
  tool(call: { tool: string; input: unknown; output: unknown; ms: number; ok: boolean }): void;
}

export interface Executor {
  /**
   * Runs one turn. Rejects on failure; the runtime turns the rejection into a tagged, safe reply.
   * @param signal aborted by `tasks/cancel`, the turn timeout and shutdown.
   */
  run(turn: Turn, emit: Emit, signal: AbortSignal): Promise<TurnResult>;
  cancel?(taskId: string): Promise<void>;
}

export interface AgentConfig {
  name: string;
  description: string;
  role: string;
  version: string;
  tier: number;
  runtime: string;
  /** `provider:model`. */
  model: string;
  runtimeConfig: Record<string, unknown>;
  promptFiles: string[];
  maxConcurrentTasks: number;
  a2a: { port: number; streaming: boolean; pushNotifications: boolean };
  /** Everything of config.yaml, unknown keys included. */
  raw: Record<string, unknown>;
}

export interface AdapterContext {
  workspaceId: string;
  config: AgentConfig;
  configDir: string;
  /** Where `/workspace` lies on disk (MOLECULE_WORKSPACE_ROOT). */
  workspaceRoot: string;
  /** The process environment, frozen: model keys and base URLs are read from here. */
  env: Readonly<Record<string, string | undefined>>;
  tools: ToolSpec[];
  /** Assembled system prompt (chapter 40 §14); call again after a change. */
  systemPrompt(): Promise<string>;
  markWedged(reason: string): void;
  clearWedge(): void;
  /** Ends the process at once; null where the agent shares its process with others. */
  exit: ((code: number) => never) | null;
  /** Pauses before a call is repeated on an overloaded model (chapter 40 §9). */
  retryDelaysMs: readonly number[];
  /** Tokens of one model reply (`MAX_TOKENS`). */
  maxTokens: number;
  log: Logger;
}

export interface TranscriptLine {
  type: 'user' | 'agent' | 'thinking' | 'tool_call' | 'tool_result' | 'system';
  content: string;
  /** RFC 3339. */
  ts: string;
  tool?: string;
}

/** Consecutive lines; `cursor` is the number after the last of them, from where the next page goes on. */
export interface TranscriptPage {
  lines: TranscriptLine[];
  cursor: number;
  more: boolean;
}

export interface Adapter {
  name(): string;
  displayName(): string;
  description(): string;
  configSchema(): JsonSchema;
  capabilities(): Partial<Capabilities>;
  /** Seconds of silence the platform should tolerate; null = platform default (300 s). */
  idleTimeoutOverride(): number | null;
  memoryFilename(): string;
  preflight?(config: AgentConfig, env: Readonly<Record<string, string | undefined>>): PreflightIssue[];
  setup(context: AdapterContext): Promise<void>;
  createExecutor(context: AdapterContext): Promise<Executor>;
  /** At most `limit` lines of the session from number `since` on. Absent: it has none to show. */
  transcript?(since: number, limit: number): Promise<TranscriptPage>;
  dispose?(): Promise<void>;
}
