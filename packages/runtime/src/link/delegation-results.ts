// After each beat: finished delegations become lines of the results file, one wake-up message to the agent itself, and a notice
// to the person (chapter 40 §7). Owns which results are new; the message itself is wake-up.ts.

import type { Logger } from '../logger.ts';
import { type DelegationRow, hasEnded, latestOf, listIds } from './delegation-rows.ts';
import type { PlatformClient } from './platform-client.ts';
import type { DelegationResult, ResultsFile } from './results-file.ts';
import type { SeenDelegations } from './seen-delegations.ts';
import type { Timers } from './timers.ts';
import type { WakeUp } from './wake-up.ts';

const MOST_NOTICES = 5;
const SUMMARY_LENGTH = 100;
const PREVIEW_LENGTH = 200;

export interface DelegationResultsDeps {
  client: PlatformClient;
  resultsFile: ResultsFile;
  seen: SeenDelegations;
  wakeUp: WakeUp;
  timers: Timers;
  log: Logger;
  signal: AbortSignal;
  /** A tool call waits for this delegation, or one is just being made whose id is not known yet: its result is the tool's. */
  isAwaited(delegationId: string): boolean;
}

export interface DelegationResults {
  /** One that came by the inbox (poll mode). Whichever way is first delivers and wakes; the other finds it seen. */
  take(result: DelegationResult): void;
  /** Detached, one look after the other; failures never reach the heartbeat. */
  collectDetached(): void;
}

const toResult = (id: string, row: DelegationRow): DelegationResult => ({
  delegation_id: id,
  target_id: row.target_id ?? '',
  source_id: row.source_id ?? '',
  status: row.status ?? '',
  summary: row.summary ?? '',
  response_preview: row.response_preview ?? '',
  error: row.error ?? '',
  timestamp: row.created_at ?? '',
});

function describe({ status, summary, response_preview: preview }: DelegationResult): string {
  const text = `Delegation ${status}: ${[...summary].slice(0, SUMMARY_LENGTH).join('')}`;
  return preview === '' ? text : `${text} — ${[...preview].slice(0, PREVIEW_LENGTH).join('')}`;
}

export function createDelegationResults(deps: DelegationResultsDeps): DelegationResults {
  const { client, resultsFile, seen, wakeUp, timers, log, signal, isAwaited } = deps;
  const self = client.workspaceId;
  const startedAt = timers.now();
  let isFirstLook = true;
  let isCollecting = false;
  let wantsAnotherLook = false;
  let notices = Promise.resolve();
  /** Ended, but their result row, which has the reply, is not there yet; a beat later they go without it. */
  let incomplete = new Set<string>();

  /** Without a list of an earlier run, what ended before this one began was its business. */
  const belongsToEarlierRun = (row: DelegationRow) =>
    isFirstLook && seen.isFirstRun && Date.parse(row.created_at ?? '') < startedAt;

  /** Oldest first. */
  function selectNew(rows: DelegationRow[]): DelegationResult[] {
    const results: DelegationResult[] = [];
    const dropped: string[] = [];
    const postponed = new Set<string>();
    for (const id of listIds(rows).reverse()) {
      const row = latestOf(rows, id);
      if (!row || !hasEnded(row) || seen.has(id) || isAwaited(id)) continue;
      if (row.source_id !== self) {
        log.warn({ delegation_id: id }, 'a delegation result of somebody else was dropped; it may be an injection');
        dropped.push(id);
      } else if (belongsToEarlierRun(row)) dropped.push(id);
      else if (row.method === 'delegate' && !incomplete.has(id)) postponed.add(id);
      else results.push(toResult(id, row));
    }
    incomplete = postponed;
    isFirstLook = false;
    seen.add(dropped);
    return results;
  }

  async function notify(results: readonly DelegationResult[]): Promise<void> {
    const messages = results.length > MOST_NOTICES ? [`${results.length} delegations finished`] : results.map(describe);
    for (const message of messages) {
      try {
        await client.request('POST', `/workspaces/${self}/notify`, {
          body: { message, type: 'delegation_result' },
          signal,
        });
      } catch (error) {
        log.debug({ err: error }, 'a person could not be told of a delegation result');
      }
    }
  }

  function deliver(results: readonly DelegationResult[]): void {
    if (results.length === 0) return;
    // In this order: a crash in between repeats a result rather than losing it.
    resultsFile.append(results);
    seen.add(results.map((result) => result.delegation_id));
    wakeUp.add(results);
  }

  async function collect(): Promise<void> {
    const response = await client.request('GET', `/workspaces/${self}/delegations`, { signal });
    const isList = response.status === 200 && Array.isArray(response.body);
    const results = isList ? selectNew(response.body as DelegationRow[]) : [];
    deliver(results);
    wakeUp.sendDue();
    log.debug({ delivered: results.length }, 'delegations were looked at');
    // Slow notices do not hold up the next look.
    notices = notices.then(() => notify(results));
  }

  async function collectUntilSettled(): Promise<void> {
    isCollecting = true;
    do {
      wantsAnotherLook = false;
      try {
        await collect();
      } catch (error) {
        if (!signal.aborted)
          log.debug({ err: error }, 'delegation results could not be read; the next beat repeats it');
      }
    } while (wantsAnotherLook && !signal.aborted);
    isCollecting = false;
  }

  return {
    take(result) {
      // What a tool waits for is the tool's; if it stops waiting, the next look finds it.
      if (seen.has(result.delegation_id) || isAwaited(result.delegation_id)) return;
      deliver([result]);
      wakeUp.sendDue();
      notices = notices.then(() => notify([result]));
    },
    collectDetached() {
      wantsAnotherLook = true;
      if (!isCollecting) void collectUntilSettled();
    },
  };
}
