// Keeps queries over the activity log current: what an event may have changed is read again, once however many come during a read.

import type { EventFrame } from '@molecule/contract';
import { useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { onEvent } from '../live/index.ts';
import { readAgain } from './read-again.ts';

const isNews = ({ event }: EventFrame) =>
  event === 'ACTIVITY_LOGGED' || event === 'RECEIPT_UPDATED' || event.startsWith('DELEGATION_');

/** Reads every query below `[name, workspaceId]` again after a row, a receipt or a delegation of that workspace changed. */
export function useActivityRefresh(name: string, workspaceId: string, enabled = true): void {
  const client = useQueryClient();
  useEffect(() => {
    if (!enabled) return;
    const queries = { queryKey: [name, workspaceId] };
    let isReading = false;
    let isStale = false;
    async function refresh(): Promise<void> {
      isStale = true;
      if (isReading) return;
      isReading = true;
      while (isStale) {
        isStale = false;
        await readAgain(client, queries);
      }
      isReading = false;
    }
    return onEvent((frame) => {
      if (frame.workspace_id !== workspaceId) return;
      if (isNews(frame)) void refresh();
    });
  }, [client, name, workspaceId, enabled]);
}
