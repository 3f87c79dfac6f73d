// delegate_task, delegate_task_async and check_task_status (chapter 40 §13): always the durable path through the platform.

import { createHash } from 'node:crypto';
import { AgentError } from '../turn/failure.ts';
import type { DelegationWatch } from './delegation-watch.ts';
import type { ToolDeps } from './index.ts';
import {
  type DelegationRow,
  latestOf,
  type PeerRow,
  PlatformRefusal,
  readJson,
  readPeers,
} from './platform-answers.ts';
import type { ToolCallContext, ToolSpec } from './tool.ts';

const WAIT_SECONDS = 300;
const MOST_WAIT_SECONDS = 3_600;
const MOST_LISTED = 10;
const RETRY_ATTEMPTS = 3;
const RETRY_SECONDS = 5;
const HINT = 'Try another peer, do it yourself, or tell the user that it could not be done.';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

const textOf = (value: unknown): string => (typeof value === 'string' ? value.trim() : '');

/** The same target and task in one turn is one delegation; a deliberate repetition in a later turn is another. */
export const idempotencyKey = (target: string, task: string, turnId: string): string =>
  createHash('sha256').update(`${target}:${task}:${turnId}`).digest('hex').slice(0, 32);

const sleep = (milliseconds: number, signal: AbortSignal) =>
  new Promise<void>((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        reject(signal.reason);
      },
      { once: true },
    );
  });

function numberFrom(env: ToolDeps['env'], name: string, fallback: number): number {
  const value = Number(env[name]);
  return env[name] && Number.isFinite(value) && value >= 0 ? value : fallback;
}

const inputSchema = {
  type: 'object',
  properties: {
    workspace_id: { type: 'string', description: 'Id of the peer (from list_peers); its exact name works too.' },
    task: { type: 'string', description: 'Everything the peer needs to know: it does not see this conversation.' },
  },
  required: ['workspace_id', 'task'],
};

export function createDelegationTools(deps: ToolDeps, watch: DelegationWatch): ToolSpec[] {
  const { client, env } = deps;
  const attempts = numberFrom(env, 'DELEGATION_RETRY_ATTEMPTS', RETRY_ATTEMPTS);
  const retryMs = numberFrom(env, 'DELEGATION_RETRY_DELAY', RETRY_SECONDS) * 1000;
  const waitSeconds = numberFrom(env, 'DELEGATION_TIMEOUT', WAIT_SECONDS);

  /** Models name peers by name as often as by id. */
  async function findPeer(given: string, signal: AbortSignal): Promise<{ id: string; name: string } | null> {
    if (UUID.test(given)) return { id: given, name: given };
    const peers = await readPeers(client, signal);
    const named = peers.filter((peer: PeerRow) => peer.name.toLowerCase() === given.toLowerCase());
    return named.length === 1 && named[0] ? { id: named[0].id, name: named[0].name } : null;
  }

  async function send(
    targetId: string,
    task: string,
    context: ToolCallContext,
  ): Promise<{ id: string; status: string }> {
    for (let attempt = 1; ; attempt += 1) {
      const response = await client.request('POST', `/workspaces/${client.workspaceId}/delegate`, {
        source: true,
        signal: context.signal,
        body: { target_id: targetId, task, idempotency_key: idempotencyKey(targetId, task, context.turnId) },
      });
      const body = response.body as { delegation_id?: string; status?: string } | null;
      if ((response.status === 202 || response.status === 200) && body?.delegation_id)
        return { id: body.delegation_id, status: body.status ?? 'delegated' };
      // Safe to repeat: the key makes it the same delegation.
      const mayRepeat = response.status === 503 && response.headers['retry-after'] !== undefined;
      if (!mayRepeat || attempt > attempts) throw new PlatformRefusal(response);
      await sleep(retryMs * attempt, context.signal);
    }
  }

  type Started = { ok: true; id: string; peer: string } | { ok: false; answer: object };

  async function start(input: Record<string, unknown>, context: ToolCallContext): Promise<Started> {
    const given = textOf(input.workspace_id);
    const task = textOf(input.task);
    if (!given || !task) return { ok: false, answer: { ok: false, error: 'workspace_id and task are required' } };
    const fail = (error: string) => ({
      ok: false as const,
      answer: { ok: false, status: 'failed', peer: given, error, hint: HINT },
    });
    try {
      const peer = await findPeer(given, context.signal);
      if (!peer) return fail(`no single peer is called ${JSON.stringify(given)}; list_peers shows who there is`);
      const { id } = await send(peer.id, task, context);
      return { ok: true, id, peer: given };
    } catch (error) {
      if (context.signal.aborted) throw error;
      return fail(error instanceof PlatformRefusal ? error.message : 'the platform could not be reached');
    }
  }

  async function delegate(input: Record<string, unknown>, context: ToolCallContext): Promise<unknown> {
    const seconds = Math.min(Number(input.timeout_s) > 0 ? Number(input.timeout_s) : waitSeconds, MOST_WAIT_SECONDS);
    const started = await start(input, context);
    if (!started.ok) return started.answer;
    const ending = await watch.wait(started.id, seconds * 1000, context.signal);
    if (ending === null)
      return {
        ok: true,
        delegation_id: started.id,
        status: 'running',
        text: '',
        hint: 'It goes on; its result will reach you.',
      };
    if (ending.status === 'completed')
      return { ok: true, delegation_id: started.id, status: 'completed', text: ending.text };
    const error = ending.error || 'the peer failed';
    return { ok: false, delegation_id: started.id, status: 'failed', peer: started.peer, error, hint: HINT };
  }

  async function describe(row: DelegationRow, whole: boolean): Promise<object> {
    const queued = row.status === 'queued' || row.status === 'pending' || row.status === 'dispatched';
    return {
      task_id: row.delegation_id,
      target_id: row.target_id,
      status: row.status,
      summary: row.summary ?? '',
      ...(row.status === 'completed' ? { text: whole ? await watch.readText(row) : (row.response_preview ?? '') } : {}),
      ...(row.error ? { error: row.error } : {}),
      ...(queued ? { hint: 'Wait; never send the task again.' } : {}),
    };
  }

  async function check(input: Record<string, unknown>, context: ToolCallContext): Promise<unknown> {
    try {
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
      const ids = [...new Set(rows.flatMap((row) => (row.delegation_id ? [row.delegation_id] : [])))].slice(
        0,
        MOST_LISTED,
      );
      const latest = ids.flatMap((id) => latestOf(rows, id) ?? []);
      return { ok: true, tasks: await Promise.all(latest.map((row) => describe(row, false))) };
    } catch (error) {
      if (error instanceof PlatformRefusal) return { ok: false, error: error.message };
      throw new AgentError('session_error', 'the platform could not be reached', { cause: error });
    }
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
          timeout_s: { type: 'number', description: `Longest wait in seconds (${waitSeconds}).` },
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
