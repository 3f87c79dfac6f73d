// Removing a workspace: the cards follow the platform's answer, and a workload that did not stop is said.

import { ApiError } from '@molecule/contract';
import { api } from '../app/api.ts';
import { dropWorkspace, setDeleting } from '../live/index.ts';

const TIMEOUT_MS = 60_000;

/** Workloads a removal could not stop; null when the error is about something else. */
export function countStopFailures(error: unknown): number | null {
  if (!(error instanceof ApiError) || error.code !== 'stop_failures') return null;
  return Number(error.body.stop_failures) || 1;
}

/** Removes it with everyone below. @throws Error in words for a person; what could not be stopped is tried again by a retry. */
export async function removeWorkspace(id: string, purge: boolean): Promise<void> {
  setDeleting(id, true);
  try {
    await api.deleteWorkspace({ params: { id }, query: { confirm: true, purge }, timeoutMs: TIMEOUT_MS });
    dropWorkspace(id, true);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) {
      dropWorkspace(id, true);
      return;
    }
    // The rows are gone then; what is still drawn stays dimmed until a retry succeeds.
    const count = countStopFailures(error);
    if (count !== null) throw new Error(`Removed, but ${count} could not be stopped. Retry stops what is left.`);
    setDeleting(id, false);
    throw error;
  }
}
