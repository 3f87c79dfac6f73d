// Waits for delegations to end, all waiting tool calls on one loop: the platform is asked only while somebody waits, and
// less often the longer it takes. Delegations watched here are delivered by their tool call, not by a wake-up (chapter 40 §7).

import type { PlatformClient } from '../link/platform-client.ts';
import type { Logger } from '../logger.ts';
import { type DelegationRow, latestOf, readJson } from './platform-answers.ts';

const FIRST_POLL_MS = 50;
const LONGEST_POLL_MS = 2_000;
/** The list cuts replies here; a longer one is read from the activity log. */
const PREVIEW_LENGTH = 300;
/** The result row follows the state by a moment; after this many looks the state alone must do. */
const PATIENCE = 5;

export interface Ending {
  status: 'completed' | 'failed';
  text: string;
  error: string;
}

interface Waiting {
  id: string;
  looks: number;
  resolve(ending: Ending): void;
}

export interface DelegationWatch {
  /** @returns null when the time is up; the delegation goes on. */
  wait(delegationId: string, timeoutMs: number, signal: AbortSignal): Promise<Ending | null>;
  isAwaited(delegationId: string): boolean;
  /** The whole reply, which the list of delegations cuts. */
  readText(row: DelegationRow): Promise<string>;
}

export function createDelegationWatch({ client, log }: { client: PlatformClient; log: Logger }): DelegationWatch {
  const waiting = new Map<string, Set<Waiting>>();
  /** Delivered to a tool call; the collector must not deliver them again. */
  const delivered = new Set<string>();
  let looping = false;
  let pauseMs = FIRST_POLL_MS;
  let wake: () => void = () => undefined;

  async function readText(row: DelegationRow): Promise<string> {
    const preview = row.response_preview ?? '';
    if (preview.length < PREVIEW_LENGTH || !row.created_at) return preview;
    const rows = await readJson<{ response_body?: { delegation_id?: string; text?: string } | null }[]>(
      client,
      `/workspaces/${client.workspaceId}/activity`,
      { query: { type: 'delegation', limit: 200 } },
    );
    const own = rows.find(
      ({ response_body: body }) => body?.delegation_id === row.delegation_id && typeof body?.text === 'string',
    );
    return own?.response_body?.text ?? preview;
  }

  function deliver(id: string, ending: Ending): void {
    delivered.add(id);
    for (const one of waiting.get(id) ?? []) one.resolve(ending);
    waiting.delete(id);
  }

  async function look(): Promise<void> {
    const rows = await readJson<DelegationRow[]>(client, `/workspaces/${client.workspaceId}/delegations`);
    for (const [id, waiters] of [...waiting]) {
      const row = latestOf(rows, id);
      if (!row || (row.status !== 'completed' && row.status !== 'failed')) continue;
      const looks = Math.max(...[...waiters].map((one) => (one.looks += 1)));
      if (row.method !== 'delegate_result' && looks < PATIENCE) continue;
      deliver(id, { status: row.status, text: await readText(row), error: row.error ?? '' });
    }
  }

  async function loop(): Promise<void> {
    looping = true;
    while (waiting.size > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, pauseMs);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      pauseMs = Math.min(pauseMs * 1.5, LONGEST_POLL_MS);
      try {
        if (waiting.size > 0) await look();
      } catch (error) {
        log.debug({ err: error }, 'delegations could not be read; asking again');
      }
    }
    looping = false;
  }

  return {
    readText,
    isAwaited: (id) => waiting.has(id) || delivered.has(id),
    async wait(id, timeoutMs, signal) {
      const { promise, resolve, reject } = Promise.withResolvers<Ending | null>();
      const waiter: Waiting = { id, looks: 0, resolve };
      waiting.set(id, (waiting.get(id) ?? new Set()).add(waiter));
      pauseMs = FIRST_POLL_MS;
      if (looping) wake();
      else void loop();
      const timer = setTimeout(() => resolve(null), timeoutMs);
      const onAbort = () => reject(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
      try {
        return await promise;
      } finally {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        const waiters = waiting.get(id);
        waiters?.delete(waiter);
        if (waiters?.size === 0) waiting.delete(id);
        if (waiting.size === 0) wake();
      }
    },
  };
}
