// Wakes the agent for finished delegations: a message to itself that names them and never quotes a peer's reply (chapter 40 §7).
// At most one in a minute; what cannot be sent is sent again under the same id.

import { randomUUID } from 'node:crypto';
import type { Logger } from '../logger.ts';
import type { PlatformClient, PlatformResponse } from './platform-client.ts';
import { type DelegationResult, quote } from './results-file.ts';
import type { Timers } from './timers.ts';

const COOLDOWN_MS = 60_000;
const TIMEOUT_MS = 120_000;
const SUMMARY_LENGTH = 80;
const ERROR_LENGTH = 100;
const ID_LENGTH = 8;

interface Batch {
  messageId: string;
  results: DelegationResult[];
}

export interface WakeUp {
  add(results: readonly DelegationResult[]): void;
  /** Sends what waits, detached, unless the last message is less than a minute old. */
  sendDue(): void;
}

function describe({ status, delegation_id: id, summary, error }: DelegationResult): string {
  const line = `[${status}] Delegation ${id.slice(0, ID_LENGTH)}: ${quote(summary, SUMMARY_LENGTH)}`;
  return error ? `${line}\nError: ${quote(error, ERROR_LENGTH)}` : line;
}

export function createWakeUp({
  client,
  timers,
  log,
  signal,
}: {
  client: PlatformClient;
  timers: Timers;
  log: Logger;
  signal: AbortSignal;
}): WakeUp {
  const self = client.workspaceId;
  const waiting: DelegationResult[] = [];
  let batch: Batch | null = null;
  let isSending = false;
  let lastSentAt = Number.NEGATIVE_INFINITY;
  /** Undefined: not known yet. */
  let parentName: string | null | undefined;

  async function readParentName(): Promise<string | null> {
    if (parentName !== undefined) return parentName;
    const own = await client.request('GET', `/workspaces/${self}`, { signal });
    if (own.status !== 200) return null;
    const { parent_id: parentId } = own.body as { parent_id?: string | null };
    if (!parentId) {
      parentName = null;
      return null;
    }
    const parent = await client.request('GET', `/workspaces/${parentId}`, { signal });
    const name = (parent.body as { name?: unknown } | null)?.name;
    if (typeof name === 'string') parentName = name;
    return parentName ?? null;
  }

  async function post({ messageId, results }: Batch): Promise<PlatformResponse> {
    const parent = await readParentName();
    const closing = parent
      ? `Read the results, report a summary to ${quote(parent, SUMMARY_LENGTH)}, and tell the user.`
      : 'Read the results and tell the user.';
    const text = [...results.map(describe), closing].join('\n');
    return await client.request('POST', `/workspaces/${self}/a2a`, {
      source: true,
      timeoutMs: TIMEOUT_MS,
      signal,
      body: {
        jsonrpc: '2.0',
        id: messageId,
        method: 'message/send',
        params: {
          message: {
            role: 'user',
            messageId,
            parts: [{ kind: 'text', text }],
            metadata: { internal: 'delegation_results' },
          },
        },
      },
    });
  }

  /** @returns whether the batch is done with. */
  async function send(next: Batch): Promise<boolean> {
    try {
      const { status } = await post(next);
      if (status < 400) return true;
      log.warn({ status }, 'the platform refused to wake the agent for delegation results');
      return status < 500 && status !== 429;
    } catch (error) {
      if (signal.aborted) return true;
      // Two minutes without an answer: the turn runs.
      if ((error as Error).name === 'TimeoutError') return true;
      log.warn({ err: error }, 'the agent could not be woken for delegation results; trying again');
      return false;
    }
  }

  return {
    add: (results) => void waiting.push(...results),
    sendDue() {
      if (isSending || timers.now() - lastSentAt < COOLDOWN_MS) return;
      if (batch === null && waiting.length > 0) batch = { messageId: randomUUID(), results: waiting.splice(0) };
      if (batch === null) return;
      log.info({ results: batch.results.length }, 'waking the agent for delegation results');
      isSending = true;
      lastSentAt = timers.now();
      void send(batch).then((isDone) => {
        if (isDone) batch = null;
        isSending = false;
      });
    },
  };
}
