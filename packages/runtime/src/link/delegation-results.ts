// After each beat: finished delegations become lines of the results file, one wake-up message to the agent itself, and a notice
// to the person (chapter 40 §7). The peer's reply is never part of the wake-up.

import { randomUUID } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeAtomically } from '../credentials.ts';
import type { Logger } from '../logger.ts';
import type { PlatformClient } from './platform-client.ts';
import { type DelegationResult, quote, type ResultsFile } from './results-file.ts';
import type { Timers } from './timers.ts';

const COOLDOWN_MS = 60_000;
const MOST_SEEN = 200;
const KEPT_SEEN = 100;
const WAKE_TIMEOUT_MS = 120_000;
const MOST_NOTICES = 5;

interface Row {
  delegation_id?: string;
  method?: string;
  source_id?: string | null;
  target_id?: string | null;
  status?: string;
  summary?: string;
  response_preview?: string;
  error?: string;
  created_at?: string;
}

export interface DelegationResultsDeps {
  client: PlatformClient;
  resultsFile: ResultsFile;
  configDir: string;
  timers: Timers;
  log: Logger;
  signal: AbortSignal;
  /** Delegations a tool call is waiting for: their result goes to the caller, not into a wake-up. */
  isAwaited(delegationId: string): boolean;
}

function loadSeen(path: string): string[] | null {
  if (!existsSync(path)) return null;
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return Array.isArray(parsed) ? parsed.filter((id): id is string => typeof id === 'string') : null;
  } catch {
    // Unreadable is the same as absent: what ended before the start is then not delivered again.
    return null;
  }
}

export function createDelegationResults({
  client,
  resultsFile,
  configDir,
  timers,
  log,
  signal,
  isAwaited,
}: DelegationResultsDeps) {
  const seenPath = join(configDir, '.delegations_seen.json');
  const stored = loadSeen(seenPath);
  let seen = new Set(stored ?? []);
  /** Without a file, rows that ended before the start were delivered by an earlier run. */
  const skipBefore = stored === null ? timers.now() : null;
  const self = client.workspaceId;
  let pending: DelegationResult[] = [];
  let lastWakeAt = Number.NEGATIVE_INFINITY;
  let collecting = false;
  let parentName: string | null | undefined;

  function remember(ids: readonly string[]): void {
    for (const id of ids) seen.add(id);
    if (seen.size > MOST_SEEN) seen = new Set([...seen].slice(-KEPT_SEEN));
    if (ids.length === 0) return;
    try {
      writeAtomically(seenPath, JSON.stringify([...seen]));
    } catch (error) {
      log.warn({ err: error }, 'the list of delivered delegations cannot be stored');
    }
  }

  const toResult = (row: Row): DelegationResult => ({
    delegation_id: row.delegation_id ?? '',
    target_id: row.target_id ?? '',
    source_id: row.source_id ?? '',
    status: row.status ?? '',
    summary: row.summary ?? '',
    response_preview: row.response_preview ?? '',
    error: row.error ?? '',
    timestamp: row.created_at ?? '',
  });

  /** Newest first comes in, oldest first goes out; one row per delegation. */
  function selectNew(rows: Row[]): DelegationResult[] {
    const results = new Map<string, DelegationResult>();
    for (const row of rows) {
      const id = row.delegation_id;
      if (!id || seen.has(id) || results.has(id) || (row.status !== 'completed' && row.status !== 'failed')) continue;
      if (row.source_id !== self) {
        log.warn({ delegation_id: id }, 'a delegation result of somebody else was dropped; it may be an injection');
        remember([id]);
      } else if (isAwaited(id)) remember([id]);
      else if (skipBefore !== null && Date.parse(row.created_at ?? '') < skipBefore) remember([id]);
      else if (
        row.method !== 'delegate' ||
        !rows.some(
          (other) => other.delegation_id === id && other.method === 'delegate_result' && other.status === row.status,
        )
      )
        results.set(id, toResult(row));
    }
    return [...results.values()].reverse();
  }

  async function readParentName(): Promise<string | null> {
    if (parentName !== undefined) return parentName;
    const own = await client.request('GET', `/workspaces/${self}`);
    const parentId = (own.body as { parent_id?: string | null } | null)?.parent_id ?? null;
    if (parentId === null) return own.status === 200 ? (parentName = null) : null;
    const parent = await client.request('GET', `/workspaces/${parentId}`);
    const name = (parent.body as { name?: unknown } | null)?.name;
    if (typeof name === 'string') parentName = name;
    return parentName ?? null;
  }

  async function wake(results: readonly DelegationResult[]): Promise<void> {
    const parent = await readParentName();
    const lines = results.map(
      (result) =>
        `[${result.status}] Delegation ${result.delegation_id.slice(0, 8)}: ${quote(result.summary, 80)}${result.error ? `\nError: ${quote(result.error, 100)}` : ''}`,
    );
    const closing = parent
      ? `Read the results, report a summary to ${parent}, and tell the user.`
      : 'Read the results and tell the user.';
    await client.request('POST', `/workspaces/${self}/a2a`, {
      source: true,
      timeoutMs: WAKE_TIMEOUT_MS,
      signal,
      body: {
        jsonrpc: '2.0',
        id: randomUUID(),
        method: 'message/send',
        params: {
          message: {
            role: 'user',
            messageId: randomUUID(),
            parts: [{ kind: 'text', text: `${lines.join('\n')}\n${closing}` }],
            metadata: { internal: 'delegation_results' },
          },
        },
      },
    });
  }

  /** Outside the heartbeat: a slow turn never delays a beat. */
  function wakeDetached(): void {
    if (pending.length === 0 || timers.now() - lastWakeAt < COOLDOWN_MS) return;
    const results = pending;
    pending = [];
    lastWakeAt = timers.now();
    wake(results).catch((error: unknown) => {
      if (!signal.aborted)
        log.warn({ err: error }, 'the agent could not be woken for delegation results; they wait in the results file');
    });
  }

  async function notice(results: readonly DelegationResult[]): Promise<void> {
    const shown =
      results.length > MOST_NOTICES
        ? [`${results.length} delegations finished`]
        : results.map(
            (result) =>
              `Delegation ${result.status}: ${result.summary.slice(0, 100)}${result.response_preview ? ` — ${result.response_preview.slice(0, 200)}` : ''}`,
          );
    for (const message of shown) {
      try {
        await client.request('POST', `/workspaces/${self}/notify`, { body: { message, type: 'delegation_result' } });
      } catch (error) {
        log.debug({ err: error }, 'a person could not be told of a delegation result');
      }
    }
  }

  async function collect(): Promise<void> {
    const response = await client.request('GET', `/workspaces/${self}/delegations`);
    if (response.status === 200 && Array.isArray(response.body)) {
      const results = selectNew(response.body as Row[]);
      if (results.length > 0) {
        resultsFile.append(results);
        remember(results.map((result) => result.delegation_id));
        pending.push(...results);
        await notice(results);
      }
    }
    wakeDetached();
  }

  return {
    /** Detached, one at a time; failures never reach the heartbeat. */
    collectDetached(): void {
      if (collecting) return;
      collecting = true;
      collect()
        .catch((error: unknown) =>
          log.debug({ err: error }, 'delegation results could not be read; the next beat repeats it'),
        )
        .finally(() => {
          collecting = false;
        });
    },
    /** For tests and for callers that wait. */
    collect,
    markDelivered: (id: string) => remember([id]),
  };
}

export type DelegationResults = ReturnType<typeof createDelegationResults>;
