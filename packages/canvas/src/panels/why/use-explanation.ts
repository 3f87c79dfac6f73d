// Keeps the answer true: asked again after events of whoever is in it, and every few seconds for what only time changes.

import type { EventFrame, WhyReply } from '@molecule/contract';
import { keepPreviousData, type UseQueryResult, useQuery } from '@tanstack/react-query';
import { useEffect } from 'react';
import { api } from '../../app/api.ts';
import { onEvent } from '../../live/index.ts';
import type { WhyTarget } from './why-store.ts';

const EVERY_MS = 10_000;
/** Several events of one moment are one question. */
const SETTLE_MS = 400;
const LEAST_PAUSE_MS = 1_500;

function ask({ workspaceId, delegationId, queueId, messageId }: WhyTarget, signal: AbortSignal): Promise<WhyReply> {
  if (delegationId) return api.explainDelegation({ params: { id: workspaceId, delegationId }, signal });
  const query = queueId ? { queue_id: queueId } : messageId ? { message_id: messageId } : {};
  return api.explainWorkspace({ params: { id: workspaceId }, query, signal });
}

/** Beats come all the time and change nothing that is shown here but an age. */
const isNews = (frame: EventFrame) => frame.event !== 'WORKSPACE_HEARTBEAT' && frame.event !== 'AGENT_CARD_UPDATED';

function listInvolved(target: WhyTarget, why: WhyReply | undefined): Set<string> {
  const ids = [...(why?.chain ?? []), ...(why?.behind.items ?? [])].map((one) => one.workspace_id);
  return new Set([target.workspaceId, ...ids.filter((id): id is string => id !== null)]);
}

export function useExplanation(target: WhyTarget): UseQueryResult<WhyReply> {
  const query = useQuery({
    queryKey: ['why', target],
    queryFn: ({ signal }) => ask(target, signal),
    placeholderData: keepPreviousData,
    refetchInterval: EVERY_MS,
  });
  const { data, refetch } = query;
  useEffect(() => {
    const involved = listInvolved(target, data);
    const answeredAt = Date.now();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const stop = onEvent((frame) => {
      if (timer !== undefined || !involved.has(frame.workspace_id) || !isNews(frame)) return;
      const pause = Math.max(SETTLE_MS, LEAST_PAUSE_MS - (Date.now() - answeredAt));
      timer = setTimeout(() => void refetch(), pause);
    });
    return () => {
      stop();
      clearTimeout(timer);
    };
  }, [target, data, refetch]);
  return query;
}
