// Programs run inside a pod: scripts that answer once, and shells. Everything goes over one WebSocket of the API.

import { PassThrough, Writable } from 'node:stream';
import type { V1Status } from '@kubernetes/client-node';
import type { Terminal, TerminalSize } from '../../terminal.ts';
import { bounded, type Cluster } from './cluster.ts';
import { EXEC_SOURCE } from './pod-scripts.ts';

const SCRIPT_MS = 60_000;
const SHELL = ['/bin/sh', '-c', 'export TERM=xterm-256color; command -v bash >/dev/null 2>&1 && exec bash || exec sh'];

export interface Place {
  pod: string;
  container: string;
}

function collect(): { stream: Writable; text(): string } {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  return { stream, text: () => Buffer.concat(chunks).toString() };
}

/**
 * Runs a self-contained function of pod-scripts.ts there.
 * @throws when it fails, or its pod is gone.
 */
export async function runScript<Input, Result>(
  { exec, namespace }: Cluster,
  { pod, container }: Place,
  script: (input: Input, tools: never) => Result,
  input: Input,
): Promise<Result> {
  const stdout = collect();
  const stderr = collect();
  const stdin = new PassThrough();
  const { promise: status, resolve, reject } = Promise.withResolvers<V1Status>();
  const command = ['node', '-e', EXEC_SOURCE];
  const socket = await bounded(
    exec.exec(namespace, pod, container, command, stdout.stream, stderr.stream, stdin, false, resolve),
  );
  socket.onclose = () => reject(new Error('the connection to the pod broke off'));
  try {
    stdin.write(`${JSON.stringify({ script: script.toString(), input })}\n`);
    const { status: outcome, message } = await bounded(status, SCRIPT_MS);
    if (outcome !== 'Success')
      throw new Error(`a script in the pod failed: ${message ?? ''} ${stderr.text().slice(-1_000)}`.trim());
    return (JSON.parse(stdout.text()) as { result: Result }).result;
  } finally {
    socket.close();
  }
}

/** Its size is part of the stream, as the client library wants it. */
class Screen extends Writable {
  columns: number;
  rows: number;
  constructor({ cols, rows }: TerminalSize, take: (bytes: Buffer) => void) {
    super({
      write(chunk: Buffer, _encoding, done) {
        take(chunk);
        done();
      },
    });
    this.columns = cols;
    this.rows = rows;
  }
  resize({ cols, rows }: TerminalSize): void {
    this.columns = cols;
    this.rows = rows;
    this.emit('resize');
  }
}

export async function openPodTerminal(
  { exec, namespace }: Cluster,
  { pod, container }: Place,
  size: TerminalSize,
): Promise<Terminal> {
  const early: Uint8Array[] = [];
  let onData: ((bytes: Uint8Array) => void) | null = null;
  const screen = new Screen(size, (bytes) => {
    if (onData) onData(bytes);
    else early.push(bytes);
  });
  const stdin = new PassThrough();
  const { promise: ended, resolve } = Promise.withResolvers<void>();
  const socket = await bounded(
    exec.exec(namespace, pod, container, SHELL, screen, null, stdin, true, () => {
      resolve();
      socket.close();
    }),
  );
  socket.onclose = () => resolve();
  socket.onerror = () => resolve();
  return {
    write: (bytes) => void stdin.write(bytes),
    resize: (next) => screen.resize(next),
    onData(listener) {
      onData = listener;
      for (const bytes of early.splice(0)) listener(bytes);
    },
    onEnd: (listener) => void ended.then(listener),
    // The API ends what runs at the other end of a closed socket.
    close: () => socket.close(),
  };
}
