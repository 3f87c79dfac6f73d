// What the platform says of itself: backend, model keys. One query for whoever asks.

import { useQuery } from '@tanstack/react-query';
import { api } from './api.ts';

export function useInfo({ enabled = true }: { enabled?: boolean } = {}) {
  return useQuery({ queryKey: ['info'], queryFn: () => api.platformInfo(), enabled });
}
