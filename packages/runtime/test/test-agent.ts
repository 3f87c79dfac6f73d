// A whole agent in the test's process, on a real socket, against a scripted platform; both end with the test.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { stringify } from 'yaml';
import type { Adapter } from '../src/adapters/adapter.ts';
import { type RunningAgent, startAgent } from '../src/index.ts';
import type { Timers } from '../src/link/timers.ts';
import { createLogger } from '../src/logger.ts';
import { type ScriptedPlatform, startScriptedPlatform } from './scripted-platform.ts';

export const SELF = '11111111-1111-4111-8111-111111111111';

export interface LogLine {
  level: number;
  msg: string;
  [key: string]: unknown;
}

export interface TestAgent {
  agent: RunningAgent;
  platform: ScriptedPlatform;
  configDir: string;
  workspaceRoot: string;
  log: LogLine[];
  /** One JSON-RPC call. */
  call(method: string, params: unknown, headers?: Record<string, string>): Promise<RpcReply>;
  /** One JSON-RPC call answered with an event stream; its frames, as results. */
  stream(method: string, params: unknown): Promise<AsyncGenerator<Frame, void, undefined>>;
}

export interface RpcReply {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads of a reply what it expects there
  body: any;
}

// biome-ignore lint/suspicious/noExplicitAny: a test reads of a frame what it expects there
export type Frame = any;

export interface TestAgentOptions {
  adapter?: Adapter;
  config?: Record<string, unknown>;
  env?: Record<string, string>;
  timers?: Timers;
  platform?: ScriptedPlatform;
  configDir?: string;
  retryDelaysMs?: readonly number[];
  /** Before the start: routes of the platform, files of the config folder. */
  prepare?: (given: { platform: ScriptedPlatform; configDir: string }) => void;
  onDeleted?: () => void;
}

export function createFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'molecule-runtime-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A log whose lines a test can read. */
export function createTestLog() {
  const lines: LogLine[] = [];
  const log = createLogger({ level: 'debug', destination: { write: (line) => void lines.push(JSON.parse(line)) } });
  return { log, lines };
}

export async function openPlatform(workspaceId = SELF): Promise<ScriptedPlatform> {
  const platform = await startScriptedPlatform(workspaceId);
  onTestFinished(() => platform.stop());
  return platform;
}

/** Frames of an event stream; comments are left out. */
export async function* readFrames(response: Response): AsyncGenerator<Frame, void, undefined> {
  let pending = '';
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    const frames = (pending + chunk).split('\n\n');
    pending = frames.pop() ?? '';
    for (const frame of frames) if (frame.startsWith('data: ')) yield JSON.parse(frame.slice('data: '.length));
  }
}

export const messageOf = (text: string, extra: Record<string, unknown> = {}) => ({
  message: { role: 'user', parts: [{ kind: 'text', text }], messageId: crypto.randomUUID(), ...extra },
});

export async function startTestAgent(options: TestAgentOptions = {}): Promise<TestAgent> {
  const platform = options.platform ?? (await openPlatform());
  const configDir = options.configDir ?? createFolder();
  const workspaceRoot = join(configDir, 'workspace');
  options.prepare?.({ platform, configDir });
  const config = { name: 'Ada', role: 'Sums and products.', runtime: 'echo', prompt_files: [], ...options.config };
  writeFileSync(join(configDir, 'config.yaml'), stringify(config));
  const { log, lines } = createTestLog();
  const agent = await startAgent({
    workspaceId: SELF,
    configDir,
    platformUrl: platform.url,
    port: 0,
    workspaceRoot,
    log,
    env: { SHUTDOWN_GRACE_S: '0', ...options.env },
    ...(options.adapter ? { adapter: options.adapter } : {}),
    ...(options.timers ? { timers: options.timers } : {}),
    ...(options.retryDelaysMs ? { retryDelaysMs: options.retryDelaysMs } : {}),
    ...(options.onDeleted ? { onDeleted: options.onDeleted } : {}),
  });
  onTestFinished(() => agent.stop());

  const post = (method: string, params: unknown, headers: Record<string, string> = {}) =>
    fetch(agent.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    });

  return {
    agent,
    platform,
    configDir,
    workspaceRoot,
    log: lines,
    async call(method, params, headers) {
      const response = await post(method, params, headers);
      return { status: response.status, headers: response.headers, body: await response.json() };
    },
    async stream(method, params) {
      const response = await post(method, params, { accept: 'text/event-stream' });
      return readFrames(response);
    },
  };
}

/** All frames to the end. */
export async function collect<T>(frames: AsyncIterable<T>): Promise<T[]> {
  return await Array.fromAsync(frames);
}
