// Ages that stay true: one shared clock for relative times (30 s) and one for running seconds (1 s).

import { useSyncExternalStore } from 'react';
import { formatAge, formatClock, formatDuration, formatFull } from './format.ts';

function createTicker(everyMs: number) {
  let now = Date.now();
  let timer: ReturnType<typeof setInterval> | undefined;
  const listeners = new Set<() => void>();
  return {
    read: () => now,
    subscribe(listener: () => void): () => void {
      listeners.add(listener);
      if (timer === undefined) {
        now = Date.now();
        timer = setInterval(() => {
          now = Date.now();
          for (const each of listeners) each();
        }, everyMs);
      }
      return () => {
        listeners.delete(listener);
        if (listeners.size > 0) return;
        clearInterval(timer);
        timer = undefined;
      };
    },
  };
}

const slow = createTicker(30_000);
const fast = createTicker(1_000);

/** The time now, refreshed every 30 s. */
export const useSlowNow = () => useSyncExternalStore(slow.subscribe, slow.read);
/** The time now, refreshed every second; only for what really runs. */
export const useFastNow = () => useSyncExternalStore(fast.subscribe, fast.read);

/** `4 m ago`, with the absolute time in its title. */
export function RelativeTime({ at, ago = true }: { at: string | number; ago?: boolean }) {
  const now = useSlowNow();
  const ms = typeof at === 'number' ? at : Date.parse(at);
  const age = formatAge(Math.max(now, Date.now()) - ms);
  return (
    <time dateTime={new Date(ms).toISOString()} title={formatFull(ms)} className="num">
      {age === 'now' || !ago ? age : `${age} ago`}
    </time>
  );
}

/** `0:42` since a moment, running. */
export function Elapsed({ since }: { since: string | number }) {
  const now = useFastNow();
  const ms = typeof since === 'number' ? since : Date.parse(since);
  return (
    <span className="num" title={`Since ${formatFull(ms)}`}>
      {formatClock(Math.max(now, Date.now()) - ms)}
    </span>
  );
}

/** `18 s`, `1 m 05 s` since a moment, running. */
export function ElapsedWords({ since }: { since: string | number }) {
  const now = useFastNow();
  const ms = typeof since === 'number' ? since : Date.parse(since);
  const seconds = Math.max(0, Math.floor((Math.max(now, Date.now()) - ms) / 1000));
  return (
    <span className="num" title={`Since ${formatFull(ms)}`}>
      {seconds < 10 ? `${seconds} s` : formatDuration(seconds * 1000)}
    </span>
  );
}
