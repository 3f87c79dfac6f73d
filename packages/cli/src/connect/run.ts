// `molecule connect` while it runs: holds the seat until a signal, a deletion or a refusal. Poll mode fetches; push mode serves the
// platform's calls with the whole runtime around the handler.

import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Adapter, startAgent } from '@molecule/runtime';
import { createCredentials } from '@molecule/runtime/credentials';
import { createPlatformClient, type PlatformResponse } from '@molecule/runtime/link/platform-client';
import { connectSeat, type SeatMessage } from '@molecule/runtime/link/seat';
import { folderOutside } from '@molecule/runtime/link/upload-folder';
import { readSelf } from '@molecule/runtime/tools/platform-answers';
import { handlerEnvironment } from '../environment.ts';
import { CommandError, EXIT } from '../failure.ts';
import { createHandler, type Handler } from './handler.ts';
import { lockState } from './lock.ts';
import { createTeller, type Teller } from './teller.ts';
import { createThreads } from './threads.ts';

export interface ConnectOptions {
  workspaceId: string;
  url: string;
  token: string | null;
  stateDir: string;
  uploadsDir: string;
  /** Null: as the platform has it. */
  mode: 'poll' | 'push' | null;
  handler: string;
  timeoutMs: number;
  publicUrl: string | null;
  port: number;
  json: boolean;
  verbose: boolean;
  version: string;
}

interface Self {
  name: string;
  card: object;
}

type End = { is: 'stopped' } | { is: 'deleted' } | { is: 'refused'; response: PlatformResponse | null };

function refused(options: ConnectOptions, response: PlatformResponse | null): CommandError {
  const said = (response?.body as { error?: unknown } | null)?.error;
  const status = response?.status ?? 401;
  if (status === 401 || status === 403)
    return new CommandError(
      `the platform at ${options.url} does not accept the token of this workspace`,
      'make a new one on the canvas (Connect, Rotate), then: molecule connect <workspace-id> --token <token>',
      EXIT.failed,
      'unauthenticated',
    );
  return new CommandError(
    `the platform refused the registration: ${typeof said === 'string' ? said : `HTTP ${status}`}`,
    'molecule doctor looks closer',
    EXIT.failed,
    'registration_refused',
  );
}

/** The seat's own card stays; one without a card gets its name. A platform that is away is waited for later, so nothing fails here. */
async function readSeat(options: ConnectOptions, teller: Teller): Promise<Self> {
  const { workspaceId, stateDir, token, url } = options;
  const credentials = createCredentials(stateDir, {}, teller.log);
  if (token !== null) credentials.saveAuthToken(token);
  const client = createPlatformClient({ platformUrl: url, workspaceId, credentials, log: teller.log });
  try {
    const self = (await readSelf(client)) as { name: string; agent_card?: { name?: unknown } | null };
    const card = typeof self.agent_card?.name === 'string' ? self.agent_card : { name: self.name };
    return { name: self.name, card };
  } catch (error) {
    teller.log.debug({ err: error }, 'the workspace could not be read before it is registered');
    return { name: workspaceId, card: { name: workspaceId } };
  } finally {
    await client.close();
  }
}

/** The message as the handler gets it; a turn of push mode has no row of an inbox. */
function createAdapter(handle: Handler, tell: Pick<Teller, 'received' | 'answered'>): Adapter {
  return {
    name: () => 'connect',
    displayName: () => 'molecule connect',
    description: () => 'A program on somebody’s machine.',
    configSchema: () => ({ type: 'object' }),
    capabilities: () => ({}),
    idleTimeoutOverride: () => null,
    memoryFilename: () => 'MEMORY.md',
    setup: async () => {},
    createExecutor: async () => ({
      async run(turn, _emit, signal) {
        const message: SeatMessage = {
          activityId: turn.messageId,
          messageId: turn.messageId,
          kind: turn.callerId === null ? 'canvas_user' : 'peer_agent',
          thread: turn.callerId ?? 'user',
          peerId: turn.callerId,
          peerName: null,
          delegationId: typeof turn.metadata.delegation_id === 'string' ? turn.metadata.delegation_id : null,
          text: turn.text,
          parts: [{ kind: 'text', text: turn.text }, ...turn.files.map((file) => ({ kind: 'file', file }))],
          createdAt: new Date().toISOString(),
          isRepeat: false,
        };
        const startedAt = Date.now();
        tell.received(message);
        const text = await handle(message, signal);
        tell.answered(message, { failed: false, ms: Date.now() - startedAt });
        return { text };
      },
    }),
  };
}

interface Seat {
  stop(): Promise<void>;
}

async function hold(options: ConnectOptions, self: Self, teller: Teller, end: (how: End) => void): Promise<Seat> {
  const { workspaceId, url, stateDir } = options;
  const handler = createHandler(options.handler, {
    threads: createThreads(stateDir),
    timeoutMs: options.timeoutMs,
    env: handlerEnvironment(),
    workspaceId,
    platformUrl: url,
    onStderr: teller.stderr,
  });
  let isConnected = false;
  const onMode = (mode: string) => {
    if (mode === 'push' && options.mode !== 'push')
      teller.log.warn('the platform pushes the messages of this workspace; --mode poll fetches them instead');
    if (!isConnected) teller.connected({ id: workspaceId, name: self.name, platformUrl: url, mode });
    isConnected = true;
  };
  const onRefused = (response: PlatformResponse | null) => end({ is: 'refused', response });
  const onDeleted = () => end({ is: 'deleted' });
  if (options.mode !== 'push')
    return connectSeat({
      platformUrl: url,
      workspaceId,
      token: null,
      directory: stateDir,
      uploads: folderOutside(options.uploadsDir),
      card: self.card,
      deliveryMode: options.mode,
      version: options.version,
      log: teller.log,
      onMode,
      handle(message, signal) {
        teller.received(message);
        return handler(message, signal);
      },
      onAnswered: teller.answered,
      onEnd: (why) => end(why),
    });
  const config = join(stateDir, 'config.yaml');
  if (!existsSync(config))
    writeFileSync(
      config,
      JSON.stringify({ name: self.name, runtime: 'connect', delivery_mode: 'push', prompt_files: [] }),
    );
  return await startAgent({
    workspaceId,
    configDir: stateDir,
    platformUrl: url,
    port: options.port,
    env: options.publicUrl === null ? {} : { AGENT_URL: options.publicUrl },
    adapter: createAdapter(handler, teller),
    log: teller.log,
    onMode,
    onRefused,
    onDeleted,
  });
}

/** Resolves when a signal ended it. @throws CommandError when the seat was deleted or refused. */
export async function runConnect(options: ConnectOptions): Promise<void> {
  const unlock = lockState(options.stateDir);
  const teller = createTeller(options.json, options.verbose);
  const { promise, resolve: end } = Promise.withResolvers<End>();
  const stop = () => end({ is: 'stopped' });
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    const seat = await hold(options, await readSeat(options, teller), teller, end);
    const how = await promise;
    await seat.stop();
    if (how.is === 'refused') throw refused(options, how.response);
    if (how.is === 'deleted')
      throw new CommandError(
        'the workspace was deleted',
        'molecule workspace list shows what is there',
        EXIT.failed,
        'deleted',
      );
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
    unlock();
  }
}
