// Hands a message to the person's own agent: a command that reads standard input, or an address that takes JSON. The contract is
// written down in docs/how-to/connect-a-laptop-agent.md. Failures carry a tag for the sender; their words go to the log.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { SeatMessage } from '@molecule/runtime/link/seat';
import { AgentError } from '@molecule/runtime/turn/failure';
import type { Threads } from './threads.ts';

/** More than this is no answer for a chat. */
const MOST_BYTES = 4 * 1024 * 1024;
const STDERR_KEPT = 2_000;
/** A variable of a process; longer ones are in the file only. */
const MOST_SESSION_CHARACTERS = 8_192;
const KILL_AFTER_MS = 2_000;

export type Handler = (message: SeatMessage, signal: AbortSignal) => Promise<string>;

export interface HandlerOptions {
  threads: Threads;
  timeoutMs: number;
  /** What the command sees of this process's environment. */
  env: Readonly<Record<string, string | undefined>>;
  workspaceId: string;
  platformUrl: string;
  /** What the command writes to its standard error. */
  onStderr(text: string): void;
}

const KINDS = { canvas_user: 'user', peer_agent: 'peer', delegation_result: 'delegation_result' } as const;

/** Addresses of the files that came with a message. */
const filesOf = ({ parts }: SeatMessage): unknown[] =>
  parts.flatMap((part) => (part.kind === 'file' || part.type === 'file' ? [part.file] : []));

function variablesOf(message: SeatMessage, options: HandlerOptions, sessionFile: string): Record<string, string> {
  const session = options.threads.load(message.thread) ?? '';
  const given: Record<string, string | null> = {
    MOLECULE_ACTIVITY_ID: message.activityId,
    MOLECULE_MESSAGE_ID: message.messageId,
    MOLECULE_KIND: KINDS[message.kind],
    MOLECULE_THREAD: message.thread,
    MOLECULE_PEER_ID: message.peerId,
    MOLECULE_PEER_NAME: message.peerName,
    MOLECULE_DELEGATION_ID: message.delegationId,
    MOLECULE_REPEAT: message.isRepeat ? '1' : '0',
    MOLECULE_FILES: JSON.stringify(filesOf(message)),
    MOLECULE_SESSION_FILE: sessionFile,
    MOLECULE_SESSION: session.length <= MOST_SESSION_CHARACTERS ? session.trim() : '',
    WORKSPACE_ID: options.workspaceId,
    PLATFORM_URL: options.platformUrl,
  };
  // A NUL ends a variable early, or the start of the command.
  return Object.fromEntries(Object.entries(given).map(([name, value]) => [name, (value ?? '').replaceAll('\0', '')]));
}

/** To the command and everything it started. */
function kill(child: ChildProcess, name: NodeJS.Signals): void {
  if (!child.pid) return;
  try {
    process.kill(-child.pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** @throws AgentError `exit_<n>`, `timed_out` or `subprocess_error`; the signal's reason when that ends it. */
async function runCommand(command: string, message: SeatMessage, options: HandlerOptions, signal: AbortSignal) {
  const session = options.threads.lend(message.thread);
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const child = spawn(command, {
    shell: true,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...options.env, ...variablesOf(message, options, session.path) },
  });
  let output = '';
  let complaint = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (output.length < MOST_BYTES) output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-STDERR_KEPT);
    options.onStderr(text);
  });
  // A command that does not read its input may end before it is written.
  child.stdin.on('error', () => {}).end(message.text);
  let lastResort: NodeJS.Timeout | undefined;
  const end = () => {
    kill(child, 'SIGTERM');
    lastResort = setTimeout(() => kill(child, 'SIGKILL'), KILL_AFTER_MS);
  };
  const either = AbortSignal.any([signal, timeout]);
  if (either.aborted) end();
  else either.addEventListener('abort', end, { once: true });
  try {
    const [code, killedBy] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
    signal.throwIfAborted();
    if (timeout.aborted) throw new AgentError('timed_out', `no answer within ${options.timeoutMs / 1000} s`);
    if (code !== 0)
      throw new AgentError(
        code === null ? 'subprocess_error' : `exit_${code}`,
        complaint.trim() || `${killedBy ?? code}`,
      );
    session.keep();
    return output;
  } catch (error) {
    session.drop();
    throw error;
  } finally {
    clearTimeout(lastResort);
    either.removeEventListener('abort', end);
  }
}

function readReply(body: string, contentType: string): { text: string; session: string | null } {
  if (!contentType.includes('application/json')) return { text: body, session: null };
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    throw new AgentError('bad_reply', 'the handler says that it answers JSON, and does not');
  }
  const { text, session } = (typeof parsed === 'object' && parsed !== null ? parsed : {}) as Record<string, unknown>;
  if (typeof text !== 'string') throw new AgentError('bad_reply', 'the handler’s JSON has no text');
  return { text, session: typeof session === 'string' ? session : null };
}

/** @throws AgentError `http_<status>`, `timed_out`, `unreachable` or `bad_reply`; the signal's reason when that ends it. */
async function post(address: string, message: SeatMessage, options: HandlerOptions, signal: AbortSignal) {
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const body = {
    activity_id: message.activityId,
    message_id: message.messageId,
    kind: KINDS[message.kind],
    thread: message.thread,
    peer_id: message.peerId,
    peer_name: message.peerName,
    delegation_id: message.delegationId,
    text: message.text,
    parts: message.parts,
    created_at: message.createdAt,
    session: options.threads.load(message.thread),
    repeat: message.isRepeat,
  };
  let response: Response;
  let text: string;
  try {
    response = await fetch(address, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.any([signal, timeout]),
    });
    text = await response.text();
  } catch (error) {
    signal.throwIfAborted();
    if (timeout.aborted) throw new AgentError('timed_out', `no answer within ${options.timeoutMs / 1000} s`);
    throw new AgentError('unreachable', `nothing answers at ${address}`, { cause: error });
  }
  if (!response.ok) throw new AgentError(`http_${response.status}`, text.slice(0, STDERR_KEPT));
  const reply = readReply(text, response.headers.get('content-type') ?? '');
  if (reply.session !== null) options.threads.save(message.thread, reply.session);
  return reply.text;
}

/** @param spec an address, or a command for the shell. */
export function createHandler(spec: string, options: HandlerOptions): Handler {
  const isAddress = /^https?:\/\//i.test(spec);
  return (message, signal) =>
    isAddress ? post(spec, message, options, signal) : runCommand(spec, message, options, signal);
}
