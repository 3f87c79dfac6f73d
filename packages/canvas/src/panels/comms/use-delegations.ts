// The delegations of one agent, read once for the table and for the marks of the talk, and kept current by events.

import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { api } from '../../app/api.ts';
import { useActivityRefresh } from '../use-activity-refresh.ts';
import { listDelegationLines } from './delegation-rows.ts';

export function useDelegations(id: string) {
  useActivityRefresh('delegations', id);
  const query = useQuery({
    queryKey: ['delegations', id],
    placeholderData: keepPreviousData,
    // Events are followed only while somebody looks.
    refetchOnMount: 'always',
    queryFn: ({ signal }) => api.listDelegations({ params: { id }, signal }),
  });
  const lines = useMemo(() => listDelegationLines(query.data ?? []), [query.data]);
  return { query, lines };
}
