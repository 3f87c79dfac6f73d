// A shell in a running container: an exec with a terminal of its own (chapter 10 §2.6).

import type { Duplex } from 'node:stream';
import type Dockerode from 'dockerode';
import type { Logger } from '../../../platform/log.ts';
import type { Terminal, TerminalSize } from '../../terminal.ts';
import { isNotFound, isNotRunning } from './engine-errors.ts';

/** The better shell where there is one. */
const SHELL = ['/bin/sh', '-c', 'command -v bash >/dev/null 2>&1 && exec bash || exec sh'];

/** Null when the container does not run. */
export async function openContainerTerminal(
  container: Dockerode.Container,
  size: TerminalSize,
  log: Logger,
): Promise<Terminal | null> {
  let exec: Dockerode.Exec;
  let stream: Duplex;
  try {
    exec = await container.exec({
      Cmd: SHELL,
      Env: ['TERM=xterm-256color'],
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
      Tty: true,
    });
    stream = await exec.start({ hijack: true, stdin: true, Tty: true });
  } catch (error) {
    if (isNotFound(error) || isNotRunning(error)) return null;
    throw error;
  }
  const resize = ({ cols, rows }: TerminalSize) =>
    exec
      .resize({ w: cols, h: rows })
      // The shell may have ended meanwhile; its size means nothing then.
      .catch((error: unknown) => log.debug({ err: error }, 'a terminal could not be resized'));
  await resize(size);

  let onData: ((bytes: Uint8Array) => void) | null = null;
  const early: Uint8Array[] = [];
  const ended = new Promise<void>((resolve) => {
    stream.once('close', resolve);
    stream.once('end', resolve);
    stream.once('error', (error) => {
      log.debug({ err: error }, 'a terminal broke off');
      resolve();
    });
  });
  stream.on('data', (bytes: Buffer) => {
    if (onData) onData(bytes);
    else early.push(bytes);
  });
  return {
    write: (bytes) => void stream.write(bytes),
    resize: (next) => void resize(next),
    onData(listener) {
      onData = listener;
      for (const bytes of early.splice(0)) listener(bytes);
    },
    onEnd: (listener) => void ended.then(listener),
    close() {
      // Ends the input too: the shell gets a hang-up.
      stream.end();
      stream.destroy();
    },
    pause: () => void stream.pause(),
    resume: () => void stream.resume(),
  };
}
