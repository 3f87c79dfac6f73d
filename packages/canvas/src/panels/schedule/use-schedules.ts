// The schedules of a workspace and what changes them. Read every 10 s while looked at, and when one has fired.

import type { ScheduleRow } from '@molecule/contract';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { api } from '../../app/api.ts';
import { onEvent } from '../../live/index.ts';
import { toast } from '../../ui/index.ts';
import { readAgain } from '../read-again.ts';

const POLL_MS = 10_000;

export type ScheduleFields = Pick<ScheduleRow, 'name' | 'cron_expr' | 'timezone' | 'prompt' | 'enabled'>;

const keyOf = (workspaceId: string) => ['schedules', workspaceId];

/** The list; a fire of the workspace refreshes it and every open history. */
export function useSchedules(workspaceId: string) {
  const client = useQueryClient();
  useEffect(
    () =>
      onEvent(({ event, workspace_id: id }) => {
        if (id === workspaceId && event.startsWith('CRON_')) void readAgain(client, { queryKey: keyOf(workspaceId) });
      }),
    [client, workspaceId],
  );
  return useQuery({
    queryKey: [...keyOf(workspaceId), 'list'],
    queryFn: () => api.listSchedules({ params: { id: workspaceId } }),
    refetchInterval: POLL_MS,
  });
}

/** The last 20 runs, newest first. */
export function useRuns(workspaceId: string, scheduleId: string) {
  return useQuery({
    queryKey: [...keyOf(workspaceId), 'runs', scheduleId],
    queryFn: () => api.listScheduleRuns({ params: { id: workspaceId, scheduleId } }),
    refetchInterval: POLL_MS,
  });
}

/** Saves a new schedule, or what was changed of an existing one. */
export function useSaveSchedule(workspaceId: string, schedule: ScheduleRow | null, onSaved: () => void) {
  const client = useQueryClient();
  return useMutation({
    mutationFn(fields: ScheduleFields): Promise<unknown> {
      if (!schedule) return api.createSchedule({ params: { id: workspaceId }, body: fields });
      const changed = Object.entries(fields).filter(
        ([name, value]) => schedule[name as keyof ScheduleFields] !== value,
      );
      const params = { id: workspaceId, scheduleId: schedule.id };
      return api.patchSchedule({ params, body: Object.fromEntries(changed) });
    },
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: keyOf(workspaceId) });
      onSaved();
    },
  });
}

export interface ScheduleActions {
  isBusy: boolean;
  setEnabled(enabled: boolean): void;
  /** Resolves when the fire is stored; its answer comes later. */
  fire(): void;
  /** Rejects with the platform's answer. */
  remove(): Promise<void>;
}

export function useScheduleActions(workspaceId: string, schedule: ScheduleRow, onFired: () => void): ScheduleActions {
  const client = useQueryClient();
  const params = { id: workspaceId, scheduleId: schedule.id };
  const refresh = () => client.invalidateQueries({ queryKey: keyOf(workspaceId) });
  const title = schedule.name || 'The schedule';
  const enable = useMutation({
    mutationFn: (enabled: boolean) => api.patchSchedule({ params, body: { enabled } }),
    onError: (error: Error) => toast.error(`${title} stays as it was: ${error.message}`),
    onSettled: refresh,
  });
  const run = useMutation({
    mutationFn: () => api.runSchedule({ params }),
    onSuccess() {
      toast.info(`${title} fired`);
      onFired();
    },
    onError: (error: Error) => toast.error(`${title} was not fired: ${error.message}`),
  });
  return {
    isBusy: enable.isPending || run.isPending,
    setEnabled: (enabled) => enable.mutate(enabled),
    fire: () => run.mutate(),
    async remove() {
      await api.deleteSchedule({ params });
      await refresh();
      toast.success(`${title} deleted`);
    },
  };
}
