// Fetches and follows the calls between workspaces: once a minute per visible workspace, and live from events.

import { useEffect, useRef, useState } from 'react';
import { api } from '../app/api.ts';
import { onEvent, useLive } from '../live/index.ts';
import { addCalls, type Call, type Calls, callFromEvent, callFromRow } from './calls.ts';

const EVERY_MS = 60_000;
const AT_ONCE = 4;
const WINDOW_SECONDS = 3_600;

async function fetchCalls(ids: readonly string[], signal: AbortSignal): Promise<Call[]> {
  const queue = [...ids];
  const calls: Call[] = [];
  const worker = async () => {
    for (let id = queue.shift(); id && !signal.aborted; id = queue.shift()) {
      // One workspace that cannot be read must not empty the picture of the others.
      const rows = await api
        .listActivity({
          params: { id },
          query: { type: 'delegation', source: 'agent', limit: 500, since_secs: WINDOW_SECONDS },
          signal,
        })
        .catch(() => []);
      calls.push(...rows.flatMap((row) => callFromRow(row) ?? []));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return calls;
}

const NONE: Calls = new Map();

/** The calls of the last hour; none while `enabled` is false. */
export function useCalls(enabled: boolean): Calls {
  const [calls, setCalls] = useState<Calls>(NONE);
  const ids = useRef<readonly string[]>([]);
  ids.current = useLive((state) => state.model.order);
  const isKnown = ids.current.length > 0;
  useEffect(() => {
    if (!enabled || !isKnown) return;
    const stop = new AbortController();
    const merge = (more: readonly Call[]) => {
      if (more.length > 0 && !stop.signal.aborted) setCalls((known) => addCalls(known, more, Date.now()));
    };
    const refresh = () => {
      if (!document.hidden) void fetchCalls(ids.current, stop.signal).then(merge);
    };
    refresh();
    const timer = setInterval(refresh, EVERY_MS);
    const unsubscribe = onEvent((frame) => {
      const call = callFromEvent(frame);
      if (call) merge([call]);
    });
    return () => {
      stop.abort();
      clearInterval(timer);
      unsubscribe();
    };
  }, [enabled, isKnown]);
  return enabled ? calls : NONE;
}
