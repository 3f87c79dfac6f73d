// Searching what happened in a workspace (chapter 20 §5.5): newest first, in short stretches, so far back as a bounded effort
// reaches. No index of words: bodies are whatever agents send, and writing them is what has to be fast.

import type { sessionSearchItem } from '@molecule/contract';
import type { z } from 'zod';
import type { Database } from '../../platform/db/index.ts';
import * as store from './store.ts';

/** Rows a search looks at, at most. */
export const MOST_ROWS = 20_000;
/** Between two stretches others are served. */
export const STRETCH_ROWS = 500;
/** No further stretch is begun after it: rows may hold megabytes. */
export const PATIENCE_MS = 2_000;

export interface SearchResult {
  items: z.input<typeof sessionSearchItem>[];
  /** How far back was looked; null = the whole log, or as far as the page needed. */
  searchedSince: Date | null;
}

const toItem = (workspaceId: string, row: store.FoundRow): z.input<typeof sessionSearchItem> => ({
  kind: 'activity',
  id: row.id,
  workspace_id: workspaceId,
  label: row.activity_type,
  content: row.summary ?? row.error_detail ?? '',
  method: row.method,
  status: row.status,
  ...(row.request_body === null ? {} : { request_body: row.request_body }),
  ...(row.response_body === null ? {} : { response_body: row.response_body }),
  created_at: row.created_at,
});

/** @param now milliseconds. */
export async function searchSession(
  { kysely }: Database,
  workspaceId: string,
  { q, limit }: { q: string; limit: number },
  now = () => performance.now(),
): Promise<SearchResult> {
  const startedAt = now();
  const items: SearchResult['items'] = [];
  let below = Number.MAX_SAFE_INTEGER;
  let since: Date | null = null;
  for (let looked = 0; looked < MOST_ROWS && now() - startedAt < PATIENCE_MS; ) {
    const stretch = await store.findStretch(kysely, workspaceId, below, STRETCH_ROWS);
    if (stretch.lowest === null) return { items, searchedSince: null };
    const found = await store.findMatches(kysely, workspaceId, q, stretch.lowest, below, limit - items.length);
    items.push(...found.map((row) => toItem(workspaceId, row)));
    if (items.length === limit || stretch.rows < STRETCH_ROWS) return { items, searchedSince: null };
    looked += stretch.rows;
    below = stretch.lowest;
    since = stretch.since;
  }
  return { items, searchedSince: since };
}
