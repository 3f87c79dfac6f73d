// How the platform lists delegations (chapter 20 §4.1): newest first, up to two rows each — the task and its result.

export interface DelegationRow {
  delegation_id?: string;
  method?: string;
  source_id?: string | null;
  target_id?: string | null;
  status?: string;
  summary?: string;
  error?: string;
  /** Cut at 300 characters. */
  response_preview?: string;
  created_at?: string;
}

export const hasEnded = (row: DelegationRow): boolean => row.status === 'completed' || row.status === 'failed';

/**
 * The row that speaks for a delegation: its newest result, else the delegation itself.
 * @param rows newest first, as the platform lists them.
 */
export function latestOf(rows: readonly DelegationRow[], delegationId: string): DelegationRow | null {
  const own = rows.filter((row) => row.delegation_id === delegationId);
  return own.find((row) => row.method === 'delegate_result' && hasEnded(row)) ?? own.find(hasEnded) ?? own[0] ?? null;
}

/** Every delegation once, newest first. */
export function listIds(rows: readonly DelegationRow[]): string[] {
  return [...new Set(rows.flatMap((row) => (row.delegation_id ? [row.delegation_id] : [])))];
}
