// A shell of this machine in a pseudo-terminal of its own. Owns its life from the fork to the last process of its group; where it
// runs and with which environment is the backend's business.

import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { IPty } from '@lydell/node-pty';
import { startDeadline } from '../platform/deadline.ts';
import { NoTerminalError, type Terminal, type TerminalSize } from './terminal.ts';

/** After the hang-up; a shell that ignores it is killed then. */
const HANG_UP_GRACE_MS = 2_000;
const SHELLS = ['bash', 'sh'];
/** The second one shortens the folder in bash's prompt, which is long and says little here. */
const APPEARANCE = { COLORTERM: 'truecolor', PROMPT_DIRTRIM: '1' };

export interface ShellOptions {
  folder: string;
  /** The whole environment: nothing of the platform's own is added. */
  environment: Readonly<Record<string, string>>;
  size: TerminalSize;
  /** Once, when its program has ended; never before it was returned. */
  onGone(): void;
}

export type OpenShell = (options: ShellOptions) => Terminal;

function findShell(path: string): string | null {
  const isProgram = (file: string) => {
    try {
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  };
  const folders = [...path.split(delimiter).filter(Boolean), '/bin', '/usr/bin'];
  return SHELLS.flatMap((name) => folders.map((folder) => join(folder, name))).find(isProgram) ?? null;
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if ((error as { code?: string }).code !== 'ESRCH') throw error;
  }
}

function wrap(pty: IPty, onGone: () => void): Terminal {
  /** What came before somebody listened. */
  let early: Uint8Array[] | null = [];
  let listener: (bytes: Uint8Array) => void = (bytes) => early?.push(bytes);
  let onEnd: (() => void) | null = null;
  let ended = false;
  let closing = false;
  // With `encoding: null` the package hands out bytes, and it takes them as well; its types know text only.
  pty.onData((data) => listener(data as unknown as Uint8Array));
  const { promise: gone, resolve: end } = Promise.withResolvers<void>();
  pty.onExit(() => {
    ended = true;
    end();
    onGone();
    onEnd?.();
  });
  return {
    write(bytes) {
      if (!ended && !closing) pty.write(Buffer.from(bytes) as unknown as string);
    },
    resize({ cols, rows }) {
      if (!ended && !closing) pty.resize(cols, rows);
    },
    onData(next) {
      listener = next;
      for (const bytes of early ?? []) next(bytes);
      early = null;
    },
    onEnd(next) {
      onEnd = next;
      if (ended) next();
    },
    close() {
      if (ended || closing) return;
      closing = true;
      // A stream that nobody reads never ends.
      pty.resume();
      signalGroup(pty.pid, 'SIGHUP');
      const last = startDeadline({
        silenceMs: HANG_UP_GRACE_MS,
        ceilingMs: null,
        onExpire: () => signalGroup(pty.pid, 'SIGKILL'),
      });
      gone.then(() => last.cancel());
    },
    pause: () => pty.pause(),
    resume: () => pty.resume(),
  };
}

/** Loaded when somebody asks: a platform for which there is no binary works but for this. @throws NoTerminalError */
export async function loadShells(): Promise<OpenShell> {
  const { spawn } = await import('@lydell/node-pty').catch((error: unknown) => {
    throw new NoTerminalError(
      `there is no pseudo-terminal on ${process.platform}-${process.arch}: ${(error as Error).message.split('\n')[0]}`,
    );
  });
  return ({ folder, environment, size, onGone }) => {
    const shell = findShell(environment.PATH ?? '');
    if (shell === null) throw new NoTerminalError('there is neither bash nor sh on this machine');
    return wrap(
      spawn(shell, [], {
        name: 'xterm-256color',
        ...size,
        cwd: folder,
        env: { ...environment, ...APPEARANCE },
        encoding: null,
      }),
      onGone,
    );
  };
}
