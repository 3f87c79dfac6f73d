// Hears from the platform's event stream that something came into the inbox, so that it is fetched at once instead of with the
// next poll. A hint only: polling goes on, whether this is connected or not.

import type { Readable } from 'node:stream';
import type { Logger } from '../logger.ts';
import type { PlatformClient } from './platform-client.ts';
import type { Timers } from './timers.ts';

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
/** The platform writes a comment every 15 s. */
const SILENCE_MS = 60_000;

async function* readLines(body: Readable): AsyncGenerator<string, void, undefined> {
  let pending = '';
  for await (const chunk of body.setEncoding('utf8')) {
    const lines = (pending + chunk).split('\n');
    pending = lines.pop() ?? '';
    yield* lines;
  }
}

/** Without parsing: most frames are the agent's own beats, and some are its own notices. */
function tellsOfNews(line: string): boolean {
  if (line.startsWith('data: {"type":"RESYNC_REQUIRED"')) return true;
  if (!line.startsWith('data: {"type":"ACTIVITY_LOGGED"')) return false;
  return line.includes('"activity_type":"a2a_receive"') && !line.includes('"method":"notify"');
}

export interface InboxNewsDeps {
  client: PlatformClient;
  timers: Timers;
  log: Logger;
  onNews(): void;
}

/** Listens until the signal; connects again after 1, 2, 4 … 60 s. Never rejects. */
export async function listenForNews(
  { client, timers, log, onNews }: InboxNewsDeps,
  signal: AbortSignal,
): Promise<void> {
  let pauseMs = FIRST_PAUSE_MS;

  async function listen(): Promise<void> {
    const path = `/workspaces/${client.workspaceId}/events/stream`;
    const options = { accept: 'text/event-stream', timeoutMs: null, silenceMs: SILENCE_MS, signal };
    const { status, body } = await client.open(path, options);
    if (body === null) throw new Error(`the platform answered ${status}`);
    pauseMs = FIRST_PAUSE_MS;
    // What came while nobody listened.
    onNews();
    for await (const line of readLines(body)) if (tellsOfNews(line)) onNews();
  }

  while (!signal.aborted) {
    try {
      await listen();
    } catch (error) {
      if (!signal.aborted) log.debug({ err: error }, 'events of the inbox cannot be heard; polling goes on');
    }
    await timers.sleep(pauseMs, signal);
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  }
}
