// Brings the answers to inbox messages to whom they are meant for (chapter 40 §12.1): a person by notify, a peer by A2A. Each is
// sent until it is taken, across restarts, under an id made of the message it answers, so that a repetition is not a second one.

import type { FilePart } from '../adapters/adapter.ts';
import type { Logger } from '../logger.ts';
import type { Answer, InboxJournal, JournalEntry } from './inbox-journal.ts';
import type { PlatformClient, PlatformResponse } from './platform-client.ts';
import type { Timers } from './timers.ts';

const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 60_000;
const GIVEN_UP_MS = 24 * 3_600_000;
const TIMEOUT_MS = 60_000;
const MOST_ATTACHMENTS = 20;
/** Fits into a request of the platform's, escaped and all. */
const MOST_CHARACTERS = 200_000;
/** No later try would go better. */
const FINAL = new Set([400, 402, 403, 404, 409, 410, 413, 422]);

export interface InboxReplies {
  /** Detached: what an earlier run left. */
  resume(): void;
  /** Stored before it returns; sent detached, in order for each receiver. */
  send(activityId: string, answer: Answer): void;
  /** Resolves when nothing is being sent. */
  idle(): Promise<void>;
}

export interface InboxRepliesDeps {
  client: PlatformClient;
  journal: InboxJournal;
  timers: Timers;
  log: Logger;
  signal: AbortSignal;
  /** Makes files of the agent fetchable for a person: what it cannot is left out. */
  share(files: readonly FilePart[], signal: AbortSignal): Promise<FilePart[]>;
}

const cut = (text: string) =>
  text.length <= MOST_CHARACTERS ? text : `${text.slice(0, MOST_CHARACTERS)}\n… (the rest was cut off)`;

export function createInboxReplies(deps: InboxRepliesDeps): InboxReplies {
  const { client, journal, timers, log, signal, share } = deps;
  const self = `/workspaces/${client.workspaceId}`;
  /** The last sending to each receiver. */
  const lines = new Map<string, Promise<void>>();

  async function postNotice(entry: JournalEntry, { text, files }: Answer): Promise<PlatformResponse> {
    const shared = files.length > 0 ? await share(files.slice(0, MOST_ATTACHMENTS), signal) : [];
    return await client.request('POST', `${self}/notify`, {
      timeoutMs: TIMEOUT_MS,
      signal,
      body: {
        message: cut(text),
        in_reply_to: entry.activityId,
        ...(shared.length > 0 ? { attachments: shared } : {}),
      },
    });
  }

  async function postMessage(entry: JournalEntry, peerId: string, answer: Answer): Promise<PlatformResponse> {
    const messageId = `reply-${entry.activityId}`;
    const metadata = {
      in_reply_to: entry.messageId,
      ...(entry.delegationId === null ? {} : { delegation_id: entry.delegationId }),
      ...(answer.failed ? { failed: true } : {}),
    };
    const parts = [{ kind: 'text', text: cut(answer.text) }];
    return await client.request('POST', `/workspaces/${peerId}/a2a`, {
      source: true,
      timeoutMs: TIMEOUT_MS,
      signal,
      body: {
        jsonrpc: '2.0',
        id: messageId,
        method: 'message/send',
        params: { message: { role: 'user', messageId, parts, metadata } },
      },
    });
  }

  async function post(entry: JournalEntry, answer: Answer): Promise<PlatformResponse | null> {
    const { replyTo } = entry;
    if (replyTo.kind === 'nobody') return null;
    return replyTo.kind === 'user' ? await postNotice(entry, answer) : await postMessage(entry, replyTo.id, answer);
  }

  /** @returns whether nothing more is to be done for it. */
  async function attempt(entry: JournalEntry, answer: Answer): Promise<boolean> {
    try {
      const response = await post(entry, answer);
      if (response === null || response.status < 300) return true;
      const { status, body } = response;
      log.warn({ activity_id: entry.activityId, status, body }, 'the platform did not take an answer');
      return FINAL.has(status);
    } catch (error) {
      if (signal.aborted) return false;
      // A minute without a reply: the receiver has it and works on it.
      const isWithPeer = entry.replyTo.kind === 'peer' && (error as Error).name === 'TimeoutError';
      if (!isWithPeer) log.warn({ err: error, activity_id: entry.activityId }, 'an answer could not be sent');
      return isWithPeer;
    }
  }

  async function deliver(entry: JournalEntry, answer: Answer): Promise<void> {
    for (let pauseMs = FIRST_PAUSE_MS; !signal.aborted; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      if (await attempt(entry, answer)) return journal.finish(entry.activityId);
      if (timers.now() - entry.begunAt > GIVEN_UP_MS) {
        log.error({ activity_id: entry.activityId }, 'an answer was not taken for a day; it is given up');
        return journal.finish(entry.activityId);
      }
      await timers.sleep(pauseMs, signal);
    }
  }

  function line(entry: JournalEntry): void {
    const { answer, replyTo } = entry;
    if (answer === null) return;
    const receiver = replyTo.kind === 'peer' ? replyTo.id : replyTo.kind;
    const before = lines.get(receiver) ?? Promise.resolve();
    const mine = before
      .then(() => deliver(entry, answer))
      .catch((error: unknown) => log.error({ err: error }, 'an answer of the inbox could not be handled'))
      .finally(() => {
        if (lines.get(receiver) === mine) lines.delete(receiver);
      });
    lines.set(receiver, mine);
  }

  return {
    resume() {
      for (const entry of journal.listOf('answered')) line(entry);
    },
    send(activityId, answer) {
      journal.answer(activityId, answer);
      const entry = journal.find(activityId);
      if (entry) line(entry);
    },
    async idle() {
      while (lines.size > 0) await Promise.all(lines.values());
    },
  };
}
