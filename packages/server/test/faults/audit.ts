// After the faults: rows, workloads and tokens have to agree, and nothing may be on its way for ever.

import { createHash } from 'node:crypto';
import type { Client } from '@molecule/contract';
import type pg from 'pg';
import type { Seat } from './seats.ts';
import type { AuditedRow as Row, Stage } from './stage.ts';

export interface AuditTargets {
  pool: pg.Pool;
  admin: Client;
  stage: Pick<Stage, 'running' | 'recorded' | 'heldToken'>;
  seats: readonly Seat[];
}

const RUNNING = new Set(['online', 'degraded']);
const RESTING = new Set(['paused', 'removed', 'failed']);

async function readRows(pool: pg.Pool): Promise<Row[]> {
  const { rows } = await pool.query<Row>(`
    select w.id, w.status::text, w.instance_id, w.last_sample_error,
      coalesce(array_agg(encode(t.token_hash, 'hex')) filter (where t.id is not null), '{}') as tokens
    from workspaces w left join workspace_auth_tokens t on t.workspace_id = w.id and t.revoked_at is null
    group by w.id`);
  return rows;
}

/** @returns the seats that are neither up nor put away, or have a start or restart before them. */
export async function listUnsettled(pool: pg.Pool): Promise<string[]> {
  const rows = await readRows(pool);
  const turns = await pool.query<{ id: string }>(
    `select substr(name, length('workload:') + 1) as id from leases
     where starts_with(name, 'workload:') and (starts_with(name, 'workload:again:') or expires_at > now())`,
  );
  const moving = rows.filter(({ status }) => !RUNNING.has(status) && !RESTING.has(status));
  return [...moving, ...turns.rows].map(({ id }) => id);
}

function auditTokens(row: Row, stage: AuditTargets['stage']): string[] {
  if (row.status === 'removed') return row.tokens.length > 0 ? ['removed, and its token is live'] : [];
  if (!RUNNING.has(row.status)) return [];
  const hash = createHash('sha256')
    .update(stage.heldToken(row) ?? '')
    .digest('hex');
  return row.tokens.length === 1 && row.tokens[0] === hash
    ? []
    : [`holds ${row.tokens.includes(hash) ? 'a live' : 'no live'} token, of ${row.tokens.length}`];
}

function auditWorkloads(row: Row, running: readonly string[], stage: AuditTargets['stage']): string[] {
  if (!RUNNING.has(row.status)) return running.length > 0 ? [`${row.status}, and ${running.join(', ')} run`] : [];
  const own = stage.recorded(row);
  return own !== null && running.includes(own) ? [] : [`${row.status}, and ${own} does not run`];
}

function auditWish(row: Row, { wish }: Seat): string[] {
  if (wish === 'paused' && row.status !== 'paused') return [`a pause was acknowledged, and it is ${row.status}`];
  if (wish === 'removed' && row.status !== 'removed') return [`a delete was acknowledged, and it is ${row.status}`];
  if (wish === 'runs' && !RUNNING.has(row.status))
    return [`a start was acknowledged, and it is ${row.status}: ${row.last_sample_error ?? ''}`];
  return [];
}

async function auditAnswer({ id, status }: Row, admin: Client): Promise<string[]> {
  if (!RUNNING.has(status)) return [];
  const message = { role: 'user', messageId: crypto.randomUUID(), parts: [{ kind: 'text', text: 'Are you there?' }] };
  const response = await admin.raw('POST', `/workspaces/${id}/a2a`, {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'message/send', params: { message } }),
  });
  return response.ok ? [] : [`does not answer: ${response.status} ${await response.text()}`];
}

/** @returns everything that is not as it should be, a line each. */
export async function audit({ pool, admin, stage, seats }: AuditTargets): Promise<string[]> {
  const rows = await readRows(pool);
  const known = new Map(rows.map((row) => [row.id, row]));
  const workloads = stage.running();
  const problems: string[] = [];
  const tell = (id: string, found: string[]) => problems.push(...found.map((what) => `${id} ${what}`));
  for (const [id, running] of workloads) if (!known.has(id)) tell(id, [`unknown, and ${running.join(', ')} run`]);
  for (const row of rows) {
    if (row.status === 'failed' && !row.last_sample_error) tell(row.id, ['failed without a reason']);
    tell(row.id, auditWorkloads(row, workloads.get(row.id) ?? [], stage));
    tell(row.id, auditTokens(row, stage));
    tell(row.id, await auditAnswer(row, admin));
  }
  for (const seat of seats) {
    const row = known.get(seat.id);
    tell(seat.id, row ? auditWish(row, seat) : ['was acknowledged, and there is no row']);
  }
  return problems;
}
