// Waits for delegations to end, all waiting tool calls on one loop: the platform is asked only while somebody waits, and
// less often the longer it takes. What is delivered here is marked as seen, so that no wake-up delivers it again (chapter 40 §7).

import { type DelegationRow, hasEnded, latestOf } from '../link/delegation-rows.ts';
import type { PlatformClient } from '../link/platform-client.ts';
import type { SeenDelegations } from '../link/seen-delegations.ts';
import type { Timers } from '../link/timers.ts';
import type { Logger } from '../logger.ts';
import { readJson } from './platform-answers.ts';

const FIRST_POLL_MS = 50;
const LONGEST_POLL_MS = 2_000;
const SLOWER = 1.25;
/** The list of delegations cuts replies here and ends at 50 rows; the activity log has the rest. */
const PREVIEW_LENGTH = 300;
const MOST_ACTIVITY = 500;
/** The result row follows the state by a moment; after this many looks the state alone must do. */
const PATIENCE = 5;

export interface Ending {
  status: 'completed' | 'failed';
  text: string;
  error: string;
}

interface Waiter {
  id: string;
  looks: number;
  resolve(ending: Ending): void;
}

interface ActivityRow {
  method?: string;
  status?: string;
  created_at?: string;
  error_detail?: string | null;
  response_body?: { delegation_id?: string; text?: string } | null;
}

export interface DelegationWatch {
  /** A delegation is being made whose result a tool will wait for. @returns the end of the making. */
  begin(): () => void;
  /** @returns null when the time is up; the delegation goes on and its result comes by wake-up. */
  wait(delegationId: string, timeoutMs: number, signal: AbortSignal): Promise<Ending | null>;
  isAwaited(delegationId: string): boolean;
  /** The whole reply, which the list of delegations cuts. */
  readText(row: DelegationRow): Promise<string>;
}

export interface DelegationWatchDeps {
  client: PlatformClient;
  seen: SeenDelegations;
  timers: Timers;
  log: Logger;
}

export function createDelegationWatch({ client, seen, timers, log }: DelegationWatchDeps): DelegationWatch {
  const waiters = new Set<Waiter>();
  let beingMade = 0;
  let isLooping = false;
  let pauseMs = FIRST_POLL_MS;
  let wake = new AbortController();

  const readActivity = () =>
    readJson<ActivityRow[]>(client, `/workspaces/${client.workspaceId}/activity`, {
      query: { type: 'delegation', limit: MOST_ACTIVITY },
    });

  async function readText(row: DelegationRow): Promise<string> {
    const preview = row.response_preview ?? '';
    if (preview.length < PREVIEW_LENGTH) return preview;
    const own = (await readActivity()).find(
      ({ response_body: body }) => body?.delegation_id === row.delegation_id && typeof body?.text === 'string',
    );
    return own?.response_body?.text ?? preview;
  }

  /** With many delegations at once the older ones leave the list before they end. */
  async function readUnlisted(ids: readonly string[]): Promise<DelegationRow[]> {
    if (ids.length === 0) return [];
    return (await readActivity()).flatMap((row) => {
      const id = row.response_body?.delegation_id;
      return id && ids.includes(id)
        ? [
            {
              ...row,
              delegation_id: id,
              error: row.error_detail ?? '',
              response_preview: row.response_body?.text ?? '',
            },
          ]
        : [];
    });
  }

  function deliver(waiter: Waiter, ending: Ending): void {
    waiters.delete(waiter);
    waiter.resolve(ending);
  }

  async function settle(waiter: Waiter, row: DelegationRow | null): Promise<void> {
    if (!row || (row.status !== 'completed' && row.status !== 'failed')) return;
    waiter.looks += 1;
    if (row.method === 'delegate' && waiter.looks < PATIENCE) return;
    const text = await readText(row);
    seen.add([waiter.id]);
    deliver(waiter, { status: row.status, text, error: row.error ?? '' });
  }

  async function look(): Promise<void> {
    const listed = await readJson<DelegationRow[]>(client, `/workspaces/${client.workspaceId}/delegations`);
    const unlisted = [...waiters].filter(({ id }) => !listed.some((row) => row.delegation_id === id));
    const rows = [...listed, ...(await readUnlisted(unlisted.map(({ id }) => id))).filter(hasEnded)];
    for (const waiter of [...waiters]) await settle(waiter, latestOf(rows, waiter.id));
  }

  async function loop(): Promise<void> {
    isLooping = true;
    while (waiters.size > 0) {
      await timers.sleep(pauseMs, wake.signal);
      if (wake.signal.aborted) wake = new AbortController();
      pauseMs = Math.min(pauseMs * SLOWER, LONGEST_POLL_MS);
      try {
        if (waiters.size > 0) await look();
      } catch (error) {
        log.debug({ err: error }, 'delegations could not be read; asking again');
      }
    }
    isLooping = false;
  }

  return {
    readText,
    isAwaited: (id) => beingMade > 0 || [...waiters].some((waiter) => waiter.id === id),
    begin() {
      beingMade += 1;
      return () => {
        beingMade -= 1;
      };
    },
    async wait(id, timeoutMs, signal) {
      signal.throwIfAborted();
      const { promise, resolve } = Promise.withResolvers<Ending | null>();
      const waiter: Waiter = { id, looks: 0, resolve };
      const ended = new AbortController();
      waiters.add(waiter);
      pauseMs = FIRST_POLL_MS;
      if (isLooping) wake.abort();
      else void loop();
      void timers.sleep(timeoutMs, AbortSignal.any([signal, ended.signal])).then(() => resolve(null));
      try {
        const ending = await promise;
        signal.throwIfAborted();
        return ending;
      } finally {
        ended.abort();
        waiters.delete(waiter);
        if (waiters.size === 0) wake.abort();
      }
    },
  };
}
