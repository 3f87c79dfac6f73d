// Keeps `?ws&tab` in step with the selection, so that a reload or a shared address shows the same panel.

import { useEffect } from 'react';
import { getWorkspace, PANEL_TABS, select, useLive } from '../live/index.ts';
import { toast } from '../ui/index.ts';

function readLink(): void {
  const query = new URLSearchParams(location.search);
  const id = query.get('ws');
  const tab = query.get('tab');
  if (!id) {
    select(null);
    return;
  }
  if (!getWorkspace(id)) {
    toast.info('The linked workspace does not exist any more.');
    return;
  }
  select(
    id,
    PANEL_TABS.find((one) => one === tab),
    query.get('sub'),
  );
}

export function useDeepLink(): void {
  useEffect(() => {
    if (location.search) readLink();
    const stop = useLive.subscribe(({ selection }, before) => {
      if (selection === before.selection) return;
      const query = new URLSearchParams(location.search);
      for (const [key, value] of [
        ['ws', selection.id],
        ['tab', selection.id ? selection.tab : null],
        ['sub', selection.id ? selection.sub : null],
      ] as const) {
        if (value) query.set(key, value);
        else query.delete(key);
      }
      const path = query.size > 0 ? `/?${query}` : '/';
      if (path === location.pathname + location.search) return;
      const sameSeat = selection.id === before.selection.id;
      history[sameSeat ? 'replaceState' : 'pushState'](null, '', path);
    });
    window.addEventListener('popstate', readLink);
    return () => {
      stop();
      window.removeEventListener('popstate', readLink);
    };
  }, []);
}
