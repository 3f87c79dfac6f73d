// Queries read again because of what happened: once more than an invalidation would, where it comes during a first read.

import type { QueryClient, QueryFilters } from '@tanstack/react-query';

/** Resolves when all of them were read after the call. */
export async function readAgain(client: QueryClient, queries: QueryFilters): Promise<void> {
  // A first read that began before the event: an invalidation would only join it, and be forgotten with its answer.
  await client.refetchQueries({ ...queries, fetchStatus: 'fetching' }, { cancelRefetch: false });
  await client.invalidateQueries(queries);
}
