// SQL of machines that are still to be ended.

import { type Kysely, sql } from 'kysely';
import type { Tables } from '../../platform/db/index.ts';
import { afterNow } from '../store.ts';

export interface MachineDebt {
  /** Under which the machine was asked for. */
  key: string;
  workspaceId: string;
  /** Null = the answer never came. */
  instanceId: string | null;
}

export async function insertDebt(db: Kysely<Tables>, key: string, workspaceId: string, dueMs: number): Promise<void> {
  await db
    .insertInto('machine_debts')
    .values({ id: key, workspace_id: workspaceId, due_at: afterNow(dueMs) })
    .execute();
}

export async function setDue(db: Kysely<Tables>, key: string, dueMs: number): Promise<void> {
  await db
    .updateTable('machine_debts')
    .set({ due_at: afterNow(dueMs) })
    .where('id', '=', key)
    .execute();
}

export async function setInstance(db: Kysely<Tables>, key: string, instanceId: string): Promise<void> {
  await db.updateTable('machine_debts').set({ instance_id: instanceId }).where('id', '=', key).execute();
}

export async function deleteDebt(db: Kysely<Tables>, key: string): Promise<void> {
  await db.deleteFrom('machine_debts').where('id', '=', key).execute();
}

const selectDebts = (db: Kysely<Tables>) =>
  db.selectFrom('machine_debts').select(['id as key', 'workspace_id as workspaceId', 'instance_id as instanceId']);

export async function listOf(db: Kysely<Tables>, workspaceId: string): Promise<MachineDebt[]> {
  return await selectDebts(db).where('workspace_id', '=', workspaceId).execute();
}

export async function listDue(db: Kysely<Tables>, limit: number): Promise<MachineDebt[]> {
  return await selectDebts(db).where('due_at', '<=', sql<Date>`now()`).orderBy('due_at').limit(limit).execute();
}
