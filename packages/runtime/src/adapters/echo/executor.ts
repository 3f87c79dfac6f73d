// One turn of the scripted agent: its directives in order, else the answer of its role. No model, no chance, no clock but pauses.

import { appendFileSync, constants, existsSync, readFileSync } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { toSafeName, typeOf } from '../../file-names.ts';
import { AgentError } from '../../turn/failure.ts';
import type { AdapterContext, Emit, Executor, FilePart, Turn, TurnResult } from '../adapter.ts';
import { type Directive, readScript } from './directives.ts';
import { answerWithTeam } from './team.ts';
import { answerAlone, NOTICE } from './voice.ts';

/** Below the workspace: what a script attaches never overwrites a person's files. */
const FOLDER = 'echo';
const CHUNK_LENGTH = 24;
const PACE_MS = 5;
const CRASH_CODE = 70;
const CRASHES_FILE = '.echo_crashes';

/** Words, about two dozen characters at a time. */
function cutIntoWords(text: string): string[] {
  const chunks: string[] = [];
  for (const word of text.split(/(?<=\s)/)) {
    const last = chunks.at(-1);
    if (last !== undefined && last.length + word.length <= CHUNK_LENGTH) chunks[chunks.length - 1] = last + word;
    else chunks.push(word);
  }
  return chunks;
}

/** Exactly so many pieces, as equal as they can be; a text too short leaves some empty. */
function cutEvenly(text: string, count: number): string[] {
  const characters = [...text];
  const at = (index: number) => Math.round((index * characters.length) / count);
  return Array.from({ length: count }, (_, index) => characters.slice(at(index), at(index + 1)).join(''));
}

/** One turn's working state. */
class ScriptedTurn {
  private readonly context: AdapterContext;
  private readonly turn: Turn;
  private readonly emit: Emit;
  private readonly signal: AbortSignal;
  private readonly failures: Map<string, number>;
  private readonly replies: string[] = [];
  private readonly files: FilePart[] = [];
  private stream: Extract<Directive, { kind: 'stream' }> | null = null;

  constructor(
    context: AdapterContext,
    turn: Turn,
    emit: Emit,
    signal: AbortSignal,
    /** Failed attempts by turn, which outlive one. */
    failures: Map<string, number>,
  ) {
    this.context = context;
    this.turn = turn;
    this.emit = emit;
    this.signal = signal;
    this.failures = failures;
  }

  async run(): Promise<TurnResult> {
    const { name } = this.context.config;
    if (this.turn.metadata.internal === 'delegation_results') return await this.tellResults();
    const { directives, text, topic } = readScript(this.turn.text, name);
    for (const directive of directives) await this.follow(directive);
    if (this.stream && this.replies.length === 0) await this.sayNumbers(this.stream);
    else if (this.replies.length > 0) await this.say(this.replies.join('\n\n'));
    else await this.answer(text, topic);
    return { text: '', files: this.files };
  }

  /** Woken by itself: delegating again would never end, and what the message quotes of tasks is no script. */
  private async tellResults(): Promise<TurnResult> {
    await this.say(`${NOTICE}\n\n${this.turn.delegationResults ?? 'The results were read in an earlier turn.'}`);
    return { text: '', files: [] };
  }

  private async follow(directive: Directive): Promise<void> {
    switch (directive.kind) {
      case 'delay':
        return await sleep(directive.ms, undefined, { signal: this.signal });
      case 'fail':
        return this.fail(directive.tag, directive.times);
      case 'attach':
        this.files.push(await this.write(directive.name, directive.content));
        return;
      case 'stream':
        this.stream = directive;
        return;
      case 'tool': {
        const output = await this.callTool(directive.tool, directive.input);
        this.replies.push(`\`${directive.tool}\` answered:\n\n\`\`\`json\n${JSON.stringify(output, null, 2)}\n\`\`\``);
        return;
      }
      case 'reply':
        this.replies.push(directive.text);
        return;
      case 'ask':
        return this.emit.status(directive.text);
      case 'wedge':
        this.context.markWedged('scripted wedge; restart the workspace');
        throw new AgentError('session_error', 'the script asked for a wedge');
      case 'crash':
        return this.crash();
      case 'unreadable':
        this.replies.push(`This directive cannot be read: \`${directive.source}\``);
        return;
    }
  }

  private fail(tag: string, times: number | null): void {
    const { id } = this.turn;
    const failed = this.failures.get(id) ?? 0;
    if (times !== null && failed >= times) {
      this.failures.delete(id);
      return;
    }
    if (times !== null) this.failures.set(id, failed + 1);
    throw new AgentError(tag, 'the script asked for a failure', { retryable: times !== null });
  }

  /** Once a message: what is delivered again after the restart must not end the next process too. */
  private crash(): void {
    const { exit, configDir, log } = this.context;
    if (!exit) throw new AgentError('crash_refused', 'the script asked for a crash, but the process is shared');
    const path = join(configDir, CRASHES_FILE);
    const crashed = existsSync(path) ? readFileSync(path, 'utf8').split('\n') : [];
    if (crashed.includes(this.turn.messageId)) {
      this.replies.push('This message ended the process before; it is answered now.');
      return;
    }
    appendFileSync(path, `${this.turn.messageId}\n`);
    log.fatal('scripted crash: the message asked for it');
    exit(CRASH_CODE);
  }

  private async write(given: string, content: string): Promise<FilePart> {
    const name = toSafeName(given);
    const folder = join(this.context.workspaceRoot, FOLDER);
    await mkdir(folder, { recursive: true });
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW;
    const file = await open(join(folder, name), flags, 0o644);
    try {
      await file.writeFile(content);
    } finally {
      await file.close();
    }
    return {
      uri: `workspace:/workspace/${FOLDER}/${name}`,
      name,
      mimeType: typeOf(name),
      size: Buffer.byteLength(content),
    };
  }

  private async callTool(name: string, input: Record<string, unknown>): Promise<unknown> {
    const tool = this.context.tools.find((spec) => spec.name === name);
    if (!tool) return { ok: false, error: `there is no tool ${name}` };
    const startedAt = performance.now();
    const { id: turnId, contextId } = this.turn;
    const output = await tool.run(input, { turnId, contextId, signal: this.signal });
    const ok = (output as { ok?: unknown } | null)?.ok !== false;
    this.emit.tool({ tool: name, input, output, ms: performance.now() - startedAt, ok });
    return output;
  }

  private async say(text: string): Promise<void> {
    const { pace_ms: pace } = this.context.config.runtimeConfig;
    // Only a person watches an answer grow; a peer waits for its end.
    const ordinary = this.turn.callerId === null ? (typeof pace === 'number' && pace >= 0 ? pace : PACE_MS) : 0;
    const everyMs = this.stream?.everyMs ?? ordinary;
    const chunks = this.stream ? cutEvenly(text, this.stream.chunks) : cutIntoWords(text);
    for (const chunk of chunks) {
      this.emit.text(chunk);
      if (everyMs > 0) await sleep(everyMs, undefined, { signal: this.signal });
    }
  }

  private async sayNumbers({ chunks, everyMs }: { chunks: number; everyMs: number }): Promise<void> {
    for (let number = 1; number <= chunks; number += 1) {
      this.emit.text(`${number} of ${chunks}\n`);
      await sleep(everyMs, undefined, { signal: this.signal });
    }
  }

  private async answer(task: string, topic: string): Promise<void> {
    const { name, role } = this.context.config;
    const { files } = this.turn;
    const answered = await answerWithTeam({
      name,
      task,
      topic,
      callTool: (tool, input) => this.callTool(tool, input),
      say: (text) => this.say(text),
      signal: this.signal,
    });
    if (!answered) await this.say(answerAlone({ name, role, topic, files }));
  }
}

export function createEchoExecutor(context: AdapterContext): Executor {
  const failures = new Map<string, number>();
  return { run: (turn, emit, signal) => new ScriptedTurn(context, turn, emit, signal, failures).run() };
}
