// delegate_task, delegate_task_async and check_task_status (chapter 40 §13): always the durable path through the platform.

import { createHash } from 'node:crypto';
import { type DelegationRow, latestOf, listIds } from '../link/delegation-rows.ts';
import type { PlatformResponse } from '../link/platform-client.ts';
import type { DelegationWatch } from './delegation-watch.ts';
import type { ToolDeps } from './index.ts';
import { PlatformRefusal, readJson, readPeers } from './platform-answers.ts';
import type { ToolCallContext, ToolSpec } from './tool.ts';

const MOST_WAIT_SECONDS = 3_600;
const MOST_LISTED = 10;
const HINT = 'Try another peer, do it yourself, or tell the user that it could not be done.';
/** What the platform refuses chains of delegations for (chapter 20 §4.9): trying again, or another way round, ends in the same. */
const HINTS: Record<string, string> = {
  delegation_cycle:
    'That peer waits for your answer. Do not delegate back: answer with what you have, and say in the answer what is missing.',
  delegation_too_deep:
    'The task was handed on too often. Do it yourself as far as you can, and say in your answer what is missing.',
  delegation_ping_pong:
    'You and that peer hand tasks to and fro. Stop: finish with what you have, and tell the user where you both stand.',
};
const UNFINISHED = new Set(['queued', 'pending', 'dispatched', 'in_progress']);
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

const textOf = (value: unknown): string => (typeof value === 'string' ? value.trim() : '');

/** The same target and task in one turn is one delegation; a deliberate repetition in a later turn is another. */
export const idempotencyKey = (target: string, task: string, turnId: string): string =>
  createHash('sha256').update(`${target}:${task}:${turnId}`).digest('hex').slice(0, 32);

const inputSchema = {
  type: 'object',
  properties: {
    workspace_id: { type: 'string', description: 'Id of the peer (from list_peers); its exact name works too.' },
    task: { type: 'string', description: 'Everything the peer needs to know: it does not see this conversation.' },
  },
  required: ['workspace_id', 'task'],
};

type Started = { ok: true; id: string } | { ok: false; answer: object };

export function createDelegationTools(deps: ToolDeps, watch: DelegationWatch): ToolSpec[] {
  const { client, timers } = deps;
  const { retryAttempts, retryDelaySeconds, timeoutSeconds } = deps.delegation;

  /** Models name peers by name as often as by id. */
  async function findPeer(given: string, signal: AbortSignal): Promise<string | null> {
    if (UUID.test(given)) return given;
    const peers = await readPeers(client, { signal });
    const named = peers.filter((peer) => peer.name.toLowerCase() === given.toLowerCase());
    return named.length === 1 ? (named[0]?.id ?? null) : null;
  }

  /** Safe to repeat without an answer: the key makes it the same delegation. */
  async function send(targetId: string, task: string, context: ToolCallContext): Promise<string> {
    const body = {
      target_id: targetId,
      task,
      idempotency_key: idempotencyKey(targetId, task, context.turnId),
      parent_delegation_id: deps.delegationOf(context.turnId),
    };
    for (let attempt = 1; ; attempt += 1) {
      const isLast = attempt > retryAttempts;
      let response: PlatformResponse | null = null;
      try {
        response = await client.request('POST', `/workspaces/${client.workspaceId}/delegate`, {
          source: true,
          signal: context.signal,
          body,
        });
      } catch (error) {
        if (context.signal.aborted || isLast) throw error;
      }
      const id = (response?.body as { delegation_id?: unknown } | null)?.delegation_id;
      if ((response?.status === 202 || response?.status === 200) && typeof id === 'string') return id;
      const mayRepeat = response === null || (response.status === 503 && response.headers['retry-after'] !== undefined);
      if (response && (!mayRepeat || isLast)) throw new PlatformRefusal(response);
      await timers.sleep(retryDelaySeconds * 1000 * attempt, context.signal);
      context.signal.throwIfAborted();
    }
  }

  async function start(input: Record<string, unknown>, context: ToolCallContext): Promise<Started> {
    const given = textOf(input.workspace_id);
    const task = textOf(input.task);
    if (!given || !task) return { ok: false, answer: { ok: false, error: 'workspace_id and task are required' } };
    const fail = (error: string, hint = HINT) => ({
      ok: false as const,
      answer: { ok: false, status: 'failed', peer: given, error, hint },
    });
    try {
      const targetId = await findPeer(given, context.signal);
      if (!targetId) return fail(`no single peer is called ${JSON.stringify(given)}; list_peers shows who there is`);
      return { ok: true, id: await send(targetId, task, context) };
    } catch (error) {
      if (context.signal.aborted) throw error;
      if (!(error instanceof PlatformRefusal)) return fail('the platform could not be reached');
      return fail(error.message, HINTS[error.code]);
    }
  }

  async function delegate(input: Record<string, unknown>, context: ToolCallContext): Promise<unknown> {
    const asked = Number(input.timeout_s);
    const seconds = Math.min(asked > 0 ? asked : timeoutSeconds, MOST_WAIT_SECONDS);
    const endMaking = watch.begin();
    let started: Started;
    let ending: ReturnType<DelegationWatch['wait']>;
    try {
      started = await start(input, context);
      if (!started.ok) return started.answer;
      ending = watch.wait(started.id, seconds * 1000, context.signal);
    } finally {
      endMaking();
    }
    const { id } = started;
    const result = await ending;
    if (result === null)
      return {
        ok: true,
        delegation_id: id,
        status: 'running',
        text: '',
        hint: 'It goes on; its result will reach you.',
      };
    if (result.status === 'completed') return { ok: true, delegation_id: id, status: 'completed', text: result.text };
    const error = result.error || 'the peer failed';
    return { ok: false, delegation_id: id, status: 'failed', peer: textOf(input.workspace_id), error, hint: HINT };
  }

  async function describe(row: DelegationRow, whole: boolean): Promise<object> {
    return {
      task_id: row.delegation_id,
      target_id: row.target_id,
      status: row.status,
      summary: row.summary ?? '',
      ...(row.status === 'completed' ? { text: whole ? await watch.readText(row) : (row.response_preview ?? '') } : {}),
      ...(row.error ? { error: row.error } : {}),
      ...(UNFINISHED.has(row.status ?? '') ? { hint: 'Wait; never send the task again.' } : {}),
    };
  }

  async function check(input: Record<string, unknown>, context: ToolCallContext): Promise<unknown> {
    const rows = await readJson<DelegationRow[]>(client, `/workspaces/${client.workspaceId}/delegations`, {
      signal: context.signal,
    });
    const wanted = textOf(input.task_id);
    if (wanted) {
      const row = latestOf(rows, wanted);
      return row
        ? { ok: true, ...(await describe(row, true)) }
        : { ok: false, error: `no delegation ${wanted} among the last ones` };
    }
    const latest = listIds(rows)
      .slice(0, MOST_LISTED)
      .flatMap((id) => latestOf(rows, id) ?? []);
    return { ok: true, tasks: await Promise.all(latest.map((row) => describe(row, false))) };
  }

  return [
    {
      name: 'delegate_task',
      description: 'Hands a task to a peer and waits for the answer.',
      whenToUse: 'Use it when you need the answer to go on; several calls at once run in parallel.',
      inputSchema: {
        ...inputSchema,
        properties: {
          ...inputSchema.properties,
          timeout_s: { type: 'number', description: `Longest wait in seconds (${timeoutSeconds}).` },
        },
      },
      run: delegate,
    },
    {
      name: 'delegate_task_async',
      description: 'Hands a task to a peer and returns at once with its id.',
      whenToUse: 'Use it for long work; the result wakes you later.',
      inputSchema,
      async run(input, context) {
        const started = await start(input, context);
        return started.ok ? { ok: true, delegation_id: started.id, status: 'delegated' } : started.answer;
      },
    },
    {
      name: 'check_task_status',
      description: 'Tells how delegated tasks stand: one by its id, else the last ten.',
      whenToUse: 'Use it to look after delegate_task_async; "queued" means wait, never send again.',
      inputSchema: { type: 'object', properties: { task_id: { type: 'string', description: 'The delegation id.' } } },
      run: check,
    },
  ];
}
