// Runs one program to its end, beside a workload or in a helper of its own. Arguments are passed on as they are: no shell.

import { PassThrough } from 'node:stream';
import type Dockerode from 'dockerode';

const MOST_OUTPUT = 2_000;

async function readText(stream: NodeJS.ReadableStream): Promise<string> {
  let text = '';
  for await (const chunk of stream) if (text.length < MOST_OUTPUT) text += String(chunk);
  return text.slice(0, MOST_OUTPUT);
}

/** @throws when the program fails or is not there; the message holds what it printed. */
export async function runInContainer(container: Dockerode.Container, command: string[]): Promise<void> {
  const exec = await container.exec({ Cmd: command, AttachStdout: true, AttachStderr: true, User: '0' });
  const stream = await exec.start({});
  const output = new PassThrough();
  container.modem.demuxStream(stream, output, output);
  stream.once('end', () => output.end());
  stream.once('error', (error) => output.destroy(error));
  const text = await readText(output);
  const { ExitCode } = await exec.inspect();
  if (ExitCode !== 0) throw new Error(`${command[0]} ended with code ${ExitCode}: ${text.trim()}`);
}

/** Starts a container that was made for one program, waits for its end, and removes it. @throws when it fails. */
export async function runToEnd(container: Dockerode.Container): Promise<void> {
  try {
    await container.start();
    const { StatusCode } = (await container.wait()) as { StatusCode: number };
    if (StatusCode !== 0) throw new Error(`a volume helper ended with code ${StatusCode}`);
  } finally {
    await container.remove({ force: true });
  }
}
