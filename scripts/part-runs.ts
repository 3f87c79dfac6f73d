// Runs parts of the tests: lanes side by side, the parts of a lane one after the other, and prints one part at a time, as if each had
// run alone. Owns processes and their output; what the parts are and which belong together is said in test.ts.

import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface Part {
  name: string;
  why: string;
  command: readonly string[];
  env?: Readonly<Record<string, string>>;
  /** Arguments for when another part runs at the same time. */
  beside?: readonly string[];
}

/** One part after the other. */
export type Lane = readonly Part[];

export interface Result {
  name: string;
  /** Of the process; 1 when a signal ended it. */
  code: number;
  seconds: number;
}

type Write = (chunk: Uint8Array | string) => void;

/** The part that began first prints as it goes; what the others say is kept until it is their turn. */
class Transcript {
  readonly #write: Write;
  readonly #waiting: { kept: (Uint8Array | string)[]; ended: boolean }[] = [];

  constructor(write: Write) {
    this.#write = write;
  }

  /** Shown at once, whoever's turn it is. */
  note(line: string): void {
    this.#write(`${line}\n`);
  }

  open(): { isLive(): boolean; write: Write; end(): void } {
    const one = { kept: [] as (Uint8Array | string)[], ended: false };
    this.#waiting.push(one);
    return {
      isLive: () => this.#waiting[0] === one,
      write: (chunk) => {
        if (this.#waiting[0] === one) this.#write(chunk);
        else one.kept.push(chunk);
      },
      end: () => {
        one.ended = true;
        this.#showNext();
      },
    };
  }

  #showNext(): void {
    while (this.#waiting[0]?.ended) {
      this.#waiting.shift();
      for (const chunk of this.#waiting[0]?.kept.splice(0) ?? []) this.#write(chunk);
    }
  }
}

async function runPart(part: Part, context: { cwd: string; transcript: Transcript; alone: boolean }): Promise<Result> {
  const { cwd, transcript, alone } = context;
  const output = transcript.open();
  const startedAt = Date.now();
  output.write(`\n== ${part.name}: ${part.why}\n`);
  if (!output.isLive()) transcript.note(`-- ${part.name} begins; what it says is shown when it is its turn`);
  const [command = '', ...args] = alone ? part.command : [...part.command, ...(part.beside ?? [])];
  const child = spawn(command, args, {
    cwd,
    // Alone it may draw on the terminal as it likes.
    stdio: ['ignore', alone ? 'inherit' : 'pipe', alone ? 'inherit' : 'pipe'],
    env: { ...process.env, ...(!alone && process.stdout.isTTY ? { FORCE_COLOR: '1' } : {}), ...part.env },
  });
  child.stdout?.on('data', output.write);
  child.stderr?.on('data', output.write);
  const [code] = (await once(child, 'close')) as [number | null];
  const result = { name: part.name, code: code ?? 1, seconds: Math.round((Date.now() - startedAt) / 1000) };
  if (!output.isLive())
    transcript.note(`-- ${part.name} ${result.code === 0 ? 'passed' : 'FAILED'}, ${result.seconds} s`);
  output.end();
  return result;
}

/**
 * @returns in the order in which they began. After a part failed no other begins; those that run go on to their ends.
 * @throws when a command cannot be started.
 */
export async function runLanes(
  lanes: readonly Lane[],
  { cwd, write = (chunk) => process.stdout.write(chunk) }: { cwd: string; write?: Write },
): Promise<Result[]> {
  const transcript = new Transcript(write);
  const results: Promise<Result>[] = [];
  const alone = lanes.length === 1;
  let failed = false;
  await Promise.all(
    lanes.map(async (lane) => {
      for (const part of lane) {
        if (failed) return;
        const running = runPart(part, { cwd, transcript, alone });
        results.push(running);
        const { code } = await running;
        if (code !== 0) failed = true;
      }
    }),
  );
  return await Promise.all(results);
}
