// The inbox of an agent in poll mode (chapter 40 §12.1): each message becomes an ordinary turn, whose answer goes to a person by
// notify and to a peer by A2A. A turn that a crash cut off is not begun again: what it did cannot be taken back, so its sender is
// told instead.

import type { A2aServer } from '../a2a/server.ts';
import { isOver, type TaskEntry } from '../a2a/tasks.ts';
import { fileOf, TaskState, textOf } from '../a2a/wire.ts';
import type { Logger } from '../logger.ts';
import { AgentStopping } from '../turn/failure.ts';
import { type Answer, createInboxJournal } from './inbox-journal.ts';
import { createInboxPoller } from './inbox-poller.ts';
import { createInboxReplies, type InboxRepliesDeps } from './inbox-replies.ts';
import type { InboxMessage, InboxResult } from './inbox-rows.ts';
import { createInboxUploads, type UploadFolder } from './inbox-uploads.ts';
import type { PlatformClient } from './platform-client.ts';
import type { DelegationResult } from './results-file.ts';
import type { Timers } from './timers.ts';

const INTERRUPTED = 'The agent was stopped before it had finished. Send the message again if it is still wanted.';
/** What is not sent by then is sent by the next start. */
const PARTING_MS = 3_000;
/** As the platform's list of delegations cuts it. */
const PREVIEW_LENGTH = 300;

export interface AgentInboxDeps {
  client: PlatformClient;
  /** Where the bookkeeping of chapter 40 §4 lies. */
  directory: string;
  folder: UploadFolder;
  intervalMs: number;
  timers: Timers;
  log: Logger;
  /** The end of the agent: nothing is sent any more. */
  signal: AbortSignal;
  admit: A2aServer['admit'];
  /** A delegation ended; the collector may know already. */
  takeResult(result: DelegationResult): void;
  share: InboxRepliesDeps['share'];
}

export interface AgentInbox {
  /** Begins to poll; does nothing while it does. */
  start(): void;
  /** No more fetching: messages are pushed from now on. What was fetched has its turn. */
  pause(): Promise<void>;
  /** No more fetching. Messages that wait for their turn are left to the next start; running turns go on. */
  stop(): Promise<void>;
  /** Resolves when every answer is on its way, or after a moment. */
  settle(): Promise<void>;
}

function answerOf({ task }: TaskEntry): Answer {
  const parts = task.history.at(-1)?.parts ?? [];
  return {
    text: textOf(parts),
    files: parts.flatMap(fileOf),
    failed: task.status?.state !== TaskState.TASK_STATE_COMPLETED,
  };
}

const toDelegationResult = (result: InboxResult, selfId: string): DelegationResult => ({
  delegation_id: result.delegationId,
  target_id: result.peerId,
  source_id: selfId,
  status: result.status,
  summary: result.summary,
  response_preview: [...result.text].slice(0, PREVIEW_LENGTH).join(''),
  error: result.error,
  timestamp: result.createdAt,
});

export function createAgentInbox(deps: AgentInboxDeps): AgentInbox {
  const { client, directory, timers, log, signal, admit } = deps;
  const journal = createInboxJournal(directory, log);
  const replies = createInboxReplies({ client, journal, timers, log, signal, share: deps.share });
  /** Turns of inbox messages that have not begun. */
  const waiting = new Set<TaskEntry>();
  let hasResumed = false;

  /** Told at once: the turn waits for what the person says to it. */
  function tellQuestion(text: string): void {
    client
      .request('POST', `/workspaces/${client.workspaceId}/notify`, { body: { message: text }, signal })
      .catch((error: unknown) => log.warn({ err: error }, 'a question could not be put to the person'));
  }

  /** From here on the turn holds the message: the journal knows first, so that a crash never runs it twice. */
  function begin(message: InboxMessage): void {
    journal.begin(message, timers.now());
    poller.settle(message.activityId);
  }

  async function follow(message: InboxMessage, entry: TaskEntry): Promise<void> {
    let hasBegun = false;
    const beginOnce = () => {
      if (hasBegun) return;
      hasBegun = true;
      waiting.delete(entry);
      begin(message);
    };
    waiting.add(entry);
    entry.follow((frame) => {
      const status = frame.payload?.$case === 'statusUpdate' ? frame.payload.value.status : undefined;
      if (status?.state === TaskState.TASK_STATE_WORKING) beginOnce();
      if (status?.state === TaskState.TASK_STATE_INPUT_REQUIRED) tellQuestion(textOf(status.message?.parts ?? []));
    });
    await entry.done;
    waiting.delete(entry);
    if (!hasBegun && entry.cancel.signal.reason instanceof AgentStopping) return;
    beginOnce();
    replies.send(message.activityId, answerOf(entry));
  }

  async function run(message: InboxMessage): Promise<void> {
    let turn: Promise<void> | null = null;
    const problem = await admit(message.params, message.peerId, {
      entered(entry, isNew) {
        if (isNew) turn = follow(message, entry);
        else if (isOver(entry.task)) poller.settle(message.activityId);
        else turn = entry.done.then(() => poller.settle(message.activityId));
      },
    });
    if (turn !== null || problem === null) return await (turn ?? undefined);
    log.warn({ activity_id: message.activityId, problem }, 'a message of the inbox cannot be read');
    begin(message);
    replies.send(message.activityId, { text: `The message cannot be read: ${problem}`, files: [], failed: true });
  }

  const poller = createInboxPoller({
    client,
    directory,
    intervalMs: deps.intervalMs,
    timers,
    log,
    uploads: createInboxUploads({ client, directory, folder: deps.folder, timers, log }),
    isHandled: (activityId) => journal.find(activityId) !== null,
    onMessage(message) {
      if (journal.findTwin(message)) return poller.settle(message.activityId);
      run(message).catch((error: unknown) => log.error({ err: error }, 'a message of the inbox could not be handled'));
    },
    onResult(result) {
      deps.takeResult(toDelegationResult(result, client.workspaceId));
      poller.settle(result.activityId);
    },
  });
  signal.addEventListener('abort', () => void poller.pause(), { once: true });

  function resume(): void {
    hasResumed = true;
    replies.resume();
    for (const { activityId } of journal.listOf('begun'))
      replies.send(activityId, { text: INTERRUPTED, files: [], failed: true });
  }

  return {
    start() {
      if (signal.aborted) return;
      if (!hasResumed) resume();
      poller.start();
    },
    pause: poller.pause,
    async stop() {
      await poller.pause();
      for (const entry of [...waiting]) entry.cancel.abort(new AgentStopping());
    },
    async settle() {
      await Promise.race([replies.idle(), timers.sleep(PARTING_MS, signal)]);
    },
  };
}
