// Says which workspaces take too long to start, and what can be done: start them again, give up, look at the log, wait.

import { Timer } from 'lucide-react';
import { useEffect } from 'react';
import { create } from 'zustand';
import { sendRun, useRuns } from '../commands/lifecycle.ts';
import { openDialog } from '../dialogs/dialog-store.ts';
import { select, useConnection, useLive, useWorkspaces, type WorkspaceNode } from '../live/index.ts';
import { Button, formatClock, Icon, plural, toast } from '../ui/index.ts';
import { listOverdue, runClocks, type StartClock, type StartClocks } from './start-clock.ts';

const TICK_MS = 1_000;
const COOLDOWN_MS = 5_000;
const MOST_NAMED = 3;

/** Outlives the banner, so that a list fetched anew or another view does not start the clocks again. */
const useClocks = create<{ clocks: StartClocks; at: number | null }>(() => ({ clocks: {}, at: null }));

function tick(): void {
  const { model, connection } = useLive.getState();
  useClocks.setState(({ clocks, at }) => {
    const now = Date.now();
    const nodes = Object.values(model.nodes);
    const passedMs = at === null ? null : now - at;
    return { clocks: runClocks(clocks, nodes, { nowMs: now, passedMs, isLive: connection.state === 'live' }), at: now };
  });
}

function change(id: string, fields: Partial<StartClock>): void {
  useClocks.setState(({ clocks }) => {
    const clock = clocks[id];
    return clock ? { clocks: { ...clocks, [id]: { ...clock, ...fields } } } : {};
  });
}

function retry(node: WorkspaceNode): void {
  change(node.id, { retryFrom: Date.now() + COOLDOWN_MS });
  sendRun(node.id, 'restart').catch((error: Error) =>
    toast.error(`${node.name} could not be restarted: ${error.message}`),
  );
}

function Row({ node, clock, at }: { node: WorkspaceNode; clock: StartClock; at: number }) {
  const isBusy = useRuns((runs) => runs.busy[node.id] !== undefined);
  const coolS = Math.ceil((clock.retryFrom - at) / 1000);
  return (
    <li className="row banner-row" data-node-of={node.id}>
      <span className="grow clip">
        <button type="button" className="link plain" onClick={() => select(node.id)}>
          <b>{node.name}</b>
        </button>{' '}
        <span className="soft num">starting for {formatClock(clock.ranMs)}</span>
      </span>
      {node.runtime !== 'external' && (
        <Button
          size="sm"
          look="line"
          busy={isBusy}
          disabled={coolS > 0}
          title={coolS > 0 ? `Again in ${coolS} s` : undefined}
          onClick={() => retry(node)}
        >
          Retry
        </Button>
      )}
      <Button size="sm" onClick={() => select(node.id, 'details', 'log')}>
        View logs
      </Button>
      <Button size="sm" onClick={() => openDialog({ kind: 'delete', id: node.id })}>
        Cancel…
      </Button>
    </li>
  );
}

export function ProvisionBanner() {
  const { state } = useConnection();
  const nodes = useWorkspaces();
  const { clocks, at } = useClocks();
  useEffect(() => {
    tick();
    const timer = setInterval(tick, TICK_MS);
    return () => clearInterval(timer);
  }, []);
  if (state !== 'live' || at === null) return null;
  const overdue = listOverdue(clocks, nodes);
  if (overdue.length === 0) return null;
  const more = overdue.length - MOST_NAMED;
  return (
    <section className="banner tall" aria-label="Slow starts" data-testid="provision-banner">
      <Icon of={Timer} className="lead" />
      <div className="grow">
        <p role="status">
          <b>{overdue.length === 1 ? 'A start takes' : `${overdue.length} starts take`} longer than expected.</b>
        </p>
        <ul>
          {overdue.slice(0, MOST_NAMED).flatMap((node) => {
            const clock = clocks[node.id];
            return clock ? [<Row key={node.id} node={node} clock={clock} at={at} />] : [];
          })}
        </ul>
        {more > 0 && <p className="soft">And {plural(more, 'other')}.</p>}
      </div>
      <Button
        size="sm"
        onClick={() => {
          for (const node of overdue) change(node.id, { dismissed: true });
        }}
      >
        Dismiss
      </Button>
    </section>
  );
}
