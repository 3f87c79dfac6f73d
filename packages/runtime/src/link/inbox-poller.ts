// Fetches the inbox of a poll-mode workspace (chapter 40 §12.1): every few seconds, at once when the platform says that something
// came, and oldest first. Owns what is fetched and the cursor; what a message becomes is its consumer's business.

import { join } from 'node:path';
import type { Logger } from '../logger.ts';
import { createInboxCursor } from './inbox-cursor.ts';
import { listenForNews } from './inbox-news.ts';
import { type InboxMessage, type InboxResult, type InboxRow, readRow } from './inbox-rows.ts';
import type { InboxUploads } from './inbox-uploads.ts';
import type { PlatformClient } from './platform-client.ts';
import type { Timers } from './timers.ts';

export const CURSOR_FILE = '.inbox_cursor';
const PAGE = 100;
const LONGEST_PAGE = 500;
const BACKLOG_SECONDS = 600;
const LONGEST_PAUSE_MS = 60_000;
const MOST_HANDLED = 10_000;

export interface InboxPollerDeps {
  client: PlatformClient;
  /** Where the cursor lies. */
  directory: string;
  intervalMs: number;
  timers: Timers;
  log: Logger;
  uploads: InboxUploads;
  /** Was done with in an earlier run, although the cursor does not say so. */
  isHandled(activityId: string): boolean;
  /** Was begun in an earlier run and is to be begun again, although its receipt says that an agent holds it. */
  isOpen?(activityId: string): boolean;
  /** Each must be settled, sooner or later; until then the cursor stays before it. Files are fetched already. */
  onMessage(message: InboxMessage): void;
  onResult(result: InboxResult): void;
}

export interface InboxPoller {
  start(): void;
  /** Stops fetching; resolves when no request is under way. What was delivered may still be settled. */
  pause(): Promise<void>;
  settle(activityId: string): void;
}

class PollRefused extends Error {}

export function createInboxPoller(deps: InboxPollerDeps): InboxPoller {
  const { client, timers, log, uploads, intervalMs } = deps;
  const cursor = createInboxCursor(join(deps.directory, CURSOR_FILE), log);
  const path = `/workspaces/${client.workspaceId}/activity`;
  /** Without a cursor the same rows are listed again. */
  let handled = new Set<string>();
  let hasReadUnread = false;
  let lastPageWasFull = false;
  let running: { stop: AbortController; ended: Promise<unknown> } | null = null;
  let wake = new AbortController();

  async function list(
    query: Record<string, string | number>,
    signal: AbortSignal,
  ): Promise<{ status: number; rows: InboxRow[] }> {
    const response = await client.request('GET', path, { query: { type: 'a2a_receive', ...query }, signal });
    if (response.status === 410) return { status: 410, rows: [] };
    if (response.status !== 200 || !Array.isArray(response.body))
      throw new PollRefused(`the platform answered ${response.status}`);
    return { status: 200, rows: response.body as InboxRow[] };
  }

  /** Rows before these that nobody has read: accepted while no agent was there. Newest first. */
  async function listUnread(newer: readonly InboxRow[], signal: AbortSignal): Promise<InboxRow[]> {
    const known = new Set(newer.map(({ id }) => id));
    const found: InboxRow[] = [];
    let before = newer.at(-1)?.created_at ?? null;
    for (;;) {
      // A millisecond later, because rows of one commit have the same time.
      const older: Record<string, string> =
        before === null ? {} : { before_ts: new Date(Date.parse(before) + 1).toISOString() };
      const { rows } = await list({ limit: LONGEST_PAGE, ...older }, signal);
      const isUnread = (row: InboxRow) => row.accepted_at && !row.injected_at && !row.answered_at;
      const unread = rows.filter((row) => !known.has(row.id) && (isUnread(row) || deps.isOpen?.(row.id)));
      if (unread.length === 0) return found;
      found.push(...unread);
      for (const { id } of rows) known.add(id);
      before = rows.at(-1)?.created_at ?? null;
    }
  }

  /** The last ten minutes, and before them what nobody has read. Oldest first. */
  async function readBacklog(signal: AbortSignal): Promise<InboxRow[]> {
    const { rows } = await list({ limit: PAGE, since_secs: BACKLOG_SECONDS }, signal);
    const older = hasReadUnread && rows.length < PAGE ? [] : await listUnread(rows, signal);
    hasReadUnread = true;
    return [...rows, ...older].reverse();
  }

  async function readRows(signal: AbortSignal): Promise<InboxRow[]> {
    const since = cursor.value();
    if (since === null) return await readBacklog(signal);
    const { status, rows } = await list({ limit: PAGE, since_id: since }, signal);
    if (status !== 410) {
      lastPageWasFull = rows.length >= PAGE;
      return rows;
    }
    log.warn('the platform does not know the cursor of the inbox any more; reading the last ten minutes');
    cursor.drop();
    hasReadUnread = false;
    return await readBacklog(signal);
  }

  function settle(activityId: string): void {
    if (handled.size >= MOST_HANDLED) handled = new Set([...handled].slice(-PAGE));
    handled.add(activityId);
    cursor.settle(activityId);
    // The cursor is also how far the next page begins.
    if (lastPageWasFull && cursor.open() < PAGE / 2) wake.abort();
  }

  async function deliver(rows: readonly InboxRow[], signal: AbortSignal): Promise<void> {
    const items = rows.map((row) => ({
      row,
      item:
        handled.has(row.id) || deps.isHandled(row.id)
          ? ({ is: 'nothing', why: 'handled already' } as const)
          : readRow(row, client.workspaceId),
    }));
    // Files first: a message of the same page may speak of them.
    const files = items.flatMap(({ item }) => (item.is === 'upload' ? [item.upload] : []));
    await uploads.fetch(files, signal);
    if (signal.aborted) return cursor.release(rows);
    for (const { row, item } of items) {
      if (item.is === 'message') deps.onMessage(uploads.resolve(item.message));
      else if (item.is === 'result') deps.onResult(item.result);
      else {
        if (item.is === 'nothing') log.debug({ activity_id: row.id, why: item.why }, 'an inbox row asks for nothing');
        settle(row.id);
      }
    }
  }

  async function pollOnce(signal: AbortSignal): Promise<void> {
    const rows = await readRows(signal);
    await deliver(cursor.add(rows), signal);
    await uploads.retryDue(signal);
  }

  async function run(signal: AbortSignal): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      wake = new AbortController();
      try {
        await pollOnce(signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        if (failures <= 3 || failures % 10 === 0) log.warn({ err: error, failures }, 'the inbox could not be read');
      }
      const pause = Math.min(intervalMs * 2 ** Math.min(failures, 10), Math.max(LONGEST_PAUSE_MS, intervalMs));
      await timers.sleep(pause, AbortSignal.any([wake.signal, signal]));
    }
  }

  return {
    settle,
    start() {
      if (running) return;
      const stop = new AbortController();
      const news = { client, timers, log, onNews: () => wake.abort() };
      const ended = Promise.all([run(stop.signal), listenForNews(news, stop.signal)]);
      running = { stop, ended };
      log.info({ interval_ms: intervalMs, cursor: cursor.value() }, 'polling the inbox');
    },
    async pause() {
      const active = running;
      running = null;
      active?.stop.abort();
      await active?.ended;
    },
  };
}
