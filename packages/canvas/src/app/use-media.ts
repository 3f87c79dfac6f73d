// Widths the layout turns on: below 768 px a phone, below 1024 px the panel lies over the graph.

import { useSyncExternalStore } from 'react';

function useMedia(query: string): boolean {
  return useSyncExternalStore(
    (notify) => {
      const media = matchMedia(query);
      media.addEventListener('change', notify);
      return () => media.removeEventListener('change', notify);
    },
    () => matchMedia(query).matches,
  );
}

export const useNarrow = () => useMedia('(width < 768px)');
export const useMiddling = () => useMedia('(width < 1024px)');
