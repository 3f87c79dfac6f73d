// After the chaos: what was acknowledged has happened, once, in order, and the platform says so.

import { join } from 'node:path';
import type pg from 'pg';
import { type AckLine, readLines, type TurnLine } from './journal.ts';
import type { CallerPlan, Conversation } from './plan.ts';
import type { Caller, Stage, Target } from './stage.ts';

export interface Findings {
  /** Acknowledged, and no turn ever ended on it, or its answer was another's. */
  lost: string[];
  /** A turn began on it again although an earlier one had ended for good, or still ran. */
  doubled: string[];
  /** Not acknowledged, or still waiting in the platform. */
  stuck: string[];
  /** A later message of a context was begun before an earlier one. */
  misordered: string[];
  /** Refused, failed or told wrongly. */
  untrue: string[];
}

/** @returns what the platform has not brought to its end yet. */
export async function listUnfinished(pool: pg.Pool): Promise<string[]> {
  const { rows } = await pool.query<{ what: string }>(`
    select 'queued message ' || coalesce(idempotency_key, id::text) || ' ' || status || coalesce(': ' || last_error, '') as what
      from a2a_queue where status in ('queued', 'dispatched')
    union all
    select 'delegation ' || coalesce(idempotency_key, delegation_id) || ' ' || status from delegations where status in ('queued', 'dispatched', 'in_progress')`);
  return rows.map(({ what }) => what);
}

interface StoredTurn {
  task: { history?: { messageId?: string; parts?: { text?: string }[] }[]; status?: { timestamp?: string } };
}

/** When the runtime stored that a message's turn had ended, by the name of the message. */
function readEnds({ configDir }: Target): Map<string, number[]> {
  const ends = new Map<string, number[]>();
  for (const { task } of readLines<StoredTurn>(join(configDir, '.tasks.jsonl'))) {
    const name = task.history?.[0]?.parts?.[0]?.text?.split(' ')[0] ?? '';
    ends.set(name, [...(ends.get(name) ?? []), Date.parse(task.status?.timestamp ?? '')]);
  }
  return ends;
}

function auditTarget(target: Target, findings: Findings): Set<string> {
  const lines = readLines<TurnLine>(target.journalPath);
  const ends = readEnds(target);
  const begun = new Map<string, TurnLine[]>();
  const done = new Set<string>();
  for (const line of lines) {
    if (line.step === 'end') {
      done.add(line.name);
      continue;
    }
    const earlier = begun.get(line.name) ?? [];
    if (earlier.some(({ life }) => life === line.life)) findings.doubled.push(`${line.name}: twice in one life`);
    if ((ends.get(line.name) ?? []).some((endedAt) => endedAt < line.atMs))
      findings.doubled.push(`${line.name}: again after it had ended`);
    begun.set(line.name, [...earlier, line]);
  }
  return done;
}

function auditOrder(conversation: Conversation, target: Target, findings: Findings): void {
  if (conversation.contextId === null) return;
  const firstBegin = new Map<string, number>();
  for (const [place, { step, name, contextId }] of readLines<TurnLine>(target.journalPath).entries())
    if (step === 'begin' && contextId === conversation.contextId && !firstBegin.has(name)) firstBegin.set(name, place);
  const begins = conversation.messages.flatMap(({ id }) => firstBegin.get(id) ?? []);
  for (const [index, place] of begins.entries())
    if (index > 0 && place < (begins[index - 1] as number))
      findings.misordered.push(`${conversation.messages[index]?.id} overtook in ${conversation.contextId}`);
}

interface QueueRow {
  status: string;
  last_error: string | null;
  injected_at: Date | null;
  answered_at: Date | null;
}

async function auditAccepted(pool: pg.Pool, { name, detail }: AckLine, findings: Findings): Promise<void> {
  const { rows } = await pool.query<QueueRow>(
    'select status, last_error, injected_at, answered_at from a2a_queue where id = $1',
    [detail],
  );
  const [row] = rows;
  if (!row) findings.lost.push(`${name}: accepted, and there is no row`);
  else if (row.status !== 'completed') findings.untrue.push(`${name}: ${row.status}: ${row.last_error ?? ''}`);
  else if (!row.injected_at || !row.answered_at) findings.untrue.push(`${name}: answered without its marks`);
}

interface LedgerRow {
  status: string;
  error_detail: string | null;
  told: string;
}

async function auditDelegation(pool: pg.Pool, { name, detail }: AckLine, findings: Findings): Promise<void> {
  const { rows } = await pool.query<LedgerRow>(
    `select d.status, d.error_detail, (
       select count(*) from activity_logs a
       where a.workspace_id = d.caller_id and a.activity_type = 'a2a_receive' and a.method = 'delegate_result' and a.response_body ->> 'delegation_id' = d.delegation_id
     ) as told from delegations d where d.delegation_id = $1`,
    [detail],
  );
  const [row] = rows;
  if (!row) findings.lost.push(`${name}: accepted, and there is no row`);
  else if (row.status !== 'completed') findings.untrue.push(`${name}: ${row.status}: ${row.error_detail ?? ''}`);
  else if (row.told !== '1') findings.untrue.push(`${name}: its caller was told ${row.told} times`);
}

async function auditAck(pool: pg.Pool, ack: AckLine, isDelegation: boolean, findings: Findings): Promise<void> {
  if (ack.ack === 'refused') findings.untrue.push(`${ack.name}: refused: ${ack.detail}`);
  else if (ack.ack === 'answered') {
    if (ack.detail !== `did ${ack.name}`) findings.lost.push(`${ack.name}: answered with ${ack.detail}`);
  } else if (isDelegation) await auditDelegation(pool, ack, findings);
  else await auditAccepted(pool, ack, findings);
}

export async function audit(stage: Stage, plans: readonly CallerPlan[], callers: readonly Caller[]): Promise<Findings> {
  const findings: Findings = { lost: [], doubled: [], stuck: [], misordered: [], untrue: [] };
  const targets = new Map(stage.targets.map((target) => [target.id, target]));
  const done = new Map(stage.targets.map((target) => [target.id, auditTarget(target, findings)]));
  findings.stuck.push(...(await listUnfinished(stage.pool)));
  for (const [index, { conversations }] of plans.entries()) {
    const acks = new Map(readLines<AckLine>(callers[index]?.acksPath ?? '').map((line) => [line.name, line]));
    for (const conversation of conversations) {
      auditOrder(conversation, targets.get(conversation.targetId) as Target, findings);
      for (const { id, kind } of conversation.messages) {
        const ack = acks.get(id);
        if (!ack) {
          findings.stuck.push(`${id}: never acknowledged`);
          continue;
        }
        await auditAck(stage.pool, ack, kind === 'delegation', findings);
        if (!done.get(conversation.targetId)?.has(id)) findings.lost.push(`${id}: ${ack.ack}, and no turn ended on it`);
      }
    }
  }
  return findings;
}
