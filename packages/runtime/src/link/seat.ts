// A seat held by a program that is not our runtime: `molecule connect` and whatever else answers messages from outside (chapter 20
// §12.2). Registers, beats, polls and answers like an agent; what a message becomes is the handler's business. A message is done
// with when its answer is stored, so a crash in the handler brings it again, once.

import { createCredentials } from '../credentials.ts';
import type { Logger } from '../logger.ts';
import { readPeers } from '../tools/platform-answers.ts';
import { describeFailure, tagOf } from '../turn/failure.ts';
import { createHeartbeat } from './heartbeat.ts';
import { type Answer, type Begun, createInboxJournal } from './inbox-journal.ts';
import { createInboxPoller } from './inbox-poller.ts';
import { createInboxReplies } from './inbox-replies.ts';
import type { InboxMessage, InboxResult, Json } from './inbox-rows.ts';
import { createInboxUploads, type UploadFolder } from './inbox-uploads.ts';
import { createPlatformClient, type PlatformResponse } from './platform-client.ts';
import { createRegistration, type DeliveryMode } from './register.ts';
import { createTaskCounter, toLabel } from './task-counter.ts';
import { systemTimers, type Timers } from './timers.ts';
import { createWedge } from './wedge.ts';

const BEAT_MS = 20_000;
const POLL_MS = 5_000;
const PEERS_FRESH_MS = 60_000;
const NO_ANSWER = '(no response generated)';

/** What the handler gets. */
export interface SeatMessage {
  /** The same when it comes again. */
  activityId: string;
  messageId: string;
  kind: 'canvas_user' | 'peer_agent' | 'delegation_result';
  /** Which conversation: `user`, or the id of the peer. */
  thread: string;
  peerId: string | null;
  peerName: string | null;
  delegationId: string | null;
  text: string;
  parts: Json[];
  createdAt: string;
  /** It was handed over before and the answer never came: what it caused then may be there already. */
  isRepeat: boolean;
}

export interface SeatOptions {
  platformUrl: string;
  workspaceId: string;
  /** Wins over the stored one and is stored; null: the stored one. */
  token: string | null;
  /** Token, secret, cursor and journal lie here. */
  directory: string;
  uploads: UploadFolder;
  card: object;
  /** Null: as the platform has it, which is poll for an external seat. */
  deliveryMode: 'poll' | null;
  pollMs?: number;
  heartbeatMs?: number;
  version: string;
  log: Logger;
  timers?: Timers;
  /** Rejects for a failure, of which the sender reads the tag only. */
  handle(message: SeatMessage, signal: AbortSignal): Promise<string>;
  onMode(mode: DeliveryMode): void;
  onAnswered?(message: SeatMessage, outcome: { failed: boolean; ms: number }): void;
  /** Nothing will come of this any more. */
  onEnd(why: { is: 'deleted' } | { is: 'refused'; response: PlatformResponse | null }): void;
}

export interface ConnectedSeat {
  /** The message under way is left to the next start. */
  stop(): Promise<void>;
}

type Waiting = Omit<SeatMessage, 'isRepeat' | 'peerName'> & Pick<Begun, 'replyTo'>;

const fromMessage = (message: InboxMessage): Waiting => ({
  activityId: message.activityId,
  messageId: message.messageId,
  kind: message.kind,
  thread: message.peerId ?? 'user',
  peerId: message.peerId,
  delegationId: message.delegationId,
  text: message.text,
  parts: message.parts,
  createdAt: message.createdAt,
  replyTo: message.replyTo,
});

/** What the handler says to a result is for the person: the peer has done its part. */
const fromResult = (result: InboxResult): Waiting => {
  const text = result.status === 'completed' ? result.text : `The delegation failed: ${result.error}`;
  return {
    activityId: result.activityId,
    messageId: result.activityId,
    kind: 'delegation_result',
    thread: result.peerId || 'user',
    peerId: result.peerId || null,
    delegationId: result.delegationId,
    text,
    parts: [{ kind: 'text', text }],
    createdAt: result.createdAt,
    replyTo: { kind: 'user' },
  };
};

/** Begins at once; never rejects later. */
export function connectSeat(options: SeatOptions): ConnectedSeat {
  const { workspaceId, directory, log, timers = systemTimers } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const credentials = createCredentials(directory, {}, log);
  if (options.token !== null) credentials.saveAuthToken(options.token);
  const client = createPlatformClient({ platformUrl: options.platformUrl, workspaceId, credentials, log });
  const counter = createTaskCounter();
  const journal = createInboxJournal(directory, log);
  const replies = createInboxReplies({ client, journal, timers, log, signal, share: async () => [] });
  const queue: Waiting[] = [];
  let working: Promise<void> | null = null;
  let peers: { names: Map<string, string>; readAt: number } | null = null;

  async function nameOf(peerId: string | null): Promise<string | null> {
    if (peerId === null) return null;
    if (peers === null || timers.now() - peers.readAt > PEERS_FRESH_MS)
      try {
        const rows = await readPeers(client, { signal });
        peers = { names: new Map(rows.map(({ id, name }) => [id, name])), readAt: timers.now() };
      } catch (error) {
        log.debug({ err: error }, 'the names of peers could not be read');
      }
    return peers?.names.get(peerId) ?? null;
  }

  async function ask(message: SeatMessage): Promise<Answer> {
    try {
      const text = (await options.handle(message, signal)).trim();
      return { text: text || NO_ANSWER, files: [], failed: false };
    } catch (error) {
      signal.throwIfAborted();
      const tag = tagOf(error);
      log.error({ err: error, activity_id: message.activityId, tag }, 'the handler failed on a message');
      return { text: describeFailure(tag), files: [], failed: true };
    }
  }

  async function answer({ replyTo, ...item }: Waiting): Promise<void> {
    const isRepeat = journal.find(item.activityId) !== null;
    const message: SeatMessage = { ...item, peerName: await nameOf(item.peerId), isRepeat };
    const startedAt = timers.now();
    // A result is no task: its delegation is named by nobody's answer.
    const delegationId = item.kind === 'delegation_result' ? null : item.delegationId;
    journal.begin({ ...item, delegationId, replyTo }, startedAt);
    const endTask = counter.beginTask({
      turnId: item.activityId,
      label: toLabel(item.text),
      messageId: item.messageId,
      delegationId,
    });
    try {
      const said = await ask(message);
      counter.recordResult(said.failed ? said.text : null);
      // Stored first: from here on the handler is not asked again, and the answer is on its way.
      replies.send(item.activityId, said);
      poller.settle(item.activityId);
      options.onAnswered?.(message, { failed: said.failed, ms: timers.now() - startedAt });
    } finally {
      endTask();
    }
  }

  /** One after the other, in their order. */
  async function work(): Promise<void> {
    for (let next = queue.shift(); next && !signal.aborted; next = queue.shift())
      await answer(next).catch((error: unknown) => {
        if (!signal.aborted) log.error({ err: error }, 'a message could not be handled');
      });
    working = null;
  }

  function take(item: Waiting): void {
    queue.push(item);
    working ??= work();
  }

  const poller = createInboxPoller({
    client,
    directory,
    intervalMs: options.pollMs ?? POLL_MS,
    timers,
    log,
    uploads: createInboxUploads({ client, directory, folder: options.uploads, timers, log }),
    isHandled: (id) => (journal.find(id)?.state ?? 'begun') !== 'begun',
    isOpen: (id) => journal.find(id)?.state === 'begun',
    onMessage(message) {
      if (journal.findTwin(message)) poller.settle(message.activityId);
      else take(fromMessage(message));
    },
    onResult: (result) => take(fromResult(result)),
  });

  function end(why: Parameters<SeatOptions['onEnd']>[0]): void {
    if (signal.aborted) return;
    stopping.abort();
    options.onEnd(why);
  }

  const registration = createRegistration({
    client,
    credentials,
    timers,
    log,
    url: () => '',
    card: () => options.card,
    signal,
    deliveryMode: options.deliveryMode,
    onMode(mode) {
      options.onMode(mode);
      if (mode === 'poll') poller.start();
    },
    onRefused: (response) => end({ is: 'refused', response }),
    onDeleted: () => end({ is: 'deleted' }),
  });
  const registerDetached = () => {
    registration
      .registerUntilDone()
      .then(() => {
        if (!signal.aborted) heartbeat.start();
      })
      .catch((error: unknown) => log.error({ err: error }, 'registration ended unexpectedly'));
  };
  const heartbeat = createHeartbeat({
    client,
    credentials,
    counter,
    wedge: createWedge(),
    adapter: { capabilities: () => ({}), idleTimeoutOverride: () => null },
    timers,
    log,
    version: options.version,
    intervalMs: options.heartbeatMs ?? BEAT_MS,
    afterBeat: () => {},
    onUnknown: registerDetached,
    onRefused: () => end({ is: 'refused', response: null }),
    onDeleted: () => end({ is: 'deleted' }),
  });
  replies.resume();
  registerDetached();

  return {
    async stop() {
      const wasOver = signal.aborted;
      stopping.abort();
      await poller.pause();
      await working;
      await heartbeat.stop();
      if (!wasOver) await heartbeat.sayFarewell();
      await client.close();
    },
  };
}
