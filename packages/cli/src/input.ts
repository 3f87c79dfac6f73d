// Values that must not stand on a command line, where the shell's history and the process list keep them.

import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { usageError } from './failure.ts';
import { remark } from './output.ts';

const silent = () => new Writable({ write: (_chunk, _encoding, done) => done() });

/** One line typed at a terminal, which does not show it; '' when the person gave up by Ctrl-C or Ctrl-D. */
function ask(question: string): Promise<string> {
  // The reader takes the terminal's own echo away, so it comes before the question somebody may answer at once.
  const reader = createInterface({ input: process.stdin, output: silent(), terminal: true });
  remark(question);
  return new Promise((resolve) => {
    reader.once('close', () => resolve(''));
    reader.once('SIGINT', () => reader.close());
    reader.once('line', (line) => {
      resolve(line);
      reader.close();
    });
  });
}

/**
 * The value of `name`: typed by a person, or all of standard input without the line break at its end.
 * @param example a command that brings it, for the one who brought none. @throws CommandError (usage) when it is empty
 */
export async function readSecretValue(name: string, example: string): Promise<string> {
  const value = process.stdin.isTTY
    ? await ask(`Value of ${name}, which is not shown:`)
    : (await text(process.stdin)).replace(/\r?\n$/, '');
  if (value === '') throw usageError(`there is no value for ${name} on standard input`, example);
  return value;
}
