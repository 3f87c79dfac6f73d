// Above the tab: why a workspace does not work, since when, and the one thing that mends it.

import { runCardAction } from '../canvas/actions.ts';
import { type CardAction, isOverBudget, readMessage } from '../canvas/card-facts.ts';
import { useRuns } from '../commands/lifecycle.ts';
import { select, useConnection, useSelection, type WorkspaceNode } from '../live/index.ts';
import { Button, ElapsedWords, formatCents, StatusGlyph, useSlowNow } from '../ui/index.ts';
import { RunRefusal } from './run-refusal.tsx';
import { openWhy } from './why/why-store.ts';

const SHOWN = new Set(['degraded', 'failed', 'offline', 'paused', 'awaiting_agent', 'hibernating', 'hibernated']);

/** Nothing of it runs, so its log says nothing about why. */
const RESTING = new Set(['paused', 'hibernating', 'hibernated']);

/** Actions the Details tab offers itself. */
const IN_DETAILS = new Set<CardAction>(['raise-limit', 'restart', 'retry', 'resume', 'wake', 'connect']);

/** What the words of a card say at full length. */
const LONGER: Record<string, string> = {
  awaiting_agent: 'No agent has made contact yet. Messages to a polling agent wait in its inbox.',
  paused: 'Takes no work until resumed.',
  hibernating: 'Going to sleep. Its actions wait until it sleeps.',
  hibernated: 'Asleep. Wakes on message.',
};

function Since({ node }: { node: WorkspaceNode }) {
  const { tab } = useSelection();
  if (tab === 'details') return null;
  const hasLog = node.runtime !== 'external' && !RESTING.has(node.status);
  return (
    <p className="muted">
      For <ElapsedWords since={node.status_changed_at} />.{' '}
      {hasLog && (
        <button type="button" className="link" onClick={() => select(node.id, 'details', 'log')}>
          View its log
        </button>
      )}{' '}
      {!RESTING.has(node.status) && (
        <button type="button" className="link" onClick={() => openWhy({ workspaceId: node.id })}>
          Why?
        </button>
      )}
    </p>
  );
}

function Fix({ node }: { node: WorkspaceNode }) {
  const { canWrite } = useConnection();
  const { tab } = useSelection();
  const isBusy = useRuns((runs) => runs.busy[node.id] !== undefined);
  const action = readMessage(node, useSlowNow())?.action;
  const leadsHere = action?.id === 'raise-limit';
  // Details has these beside its own buttons.
  if (!action || (tab === 'details' && IN_DETAILS.has(action.id))) return null;
  return (
    <Button
      size="sm"
      look="line"
      disabled={!canWrite && !leadsHere}
      title={canWrite ? undefined : 'The platform is out of reach'}
      busy={isBusy}
      onClick={() => runCardAction(node.id, action.id, true)}
    >
      {action.label}
    </Button>
  );
}

function Note({ node }: { node: WorkspaceNode }) {
  const message = readMessage(node, useSlowNow());
  const { tab } = useSelection();
  if (SHOWN.has(node.status)) {
    // The Details tab begins with the same, and with all its buttons.
    if (tab === 'details' && (!message?.action || IN_DETAILS.has(message.action.id))) return null;
    return (
      <div className="trouble" data-status={node.status} data-testid="trouble" role="status">
        <StatusGlyph status={node.status} />
        <div className="grow">
          <p className="trouble-text">{LONGER[node.status] ?? message?.full}</p>
          <Since node={node} />
        </div>
        <Fix node={node} />
      </div>
    );
  }
  if (isOverBudget(node)) {
    return (
      <div className="trouble" data-status="degraded" data-testid="trouble" role="status">
        <StatusGlyph status="degraded" />
        <div className="grow">
          <p className="trouble-text">Budget reached: calls are refused until the limit is raised.</p>
          <p className="muted num">
            {formatCents(node.monthly_spend)} of {formatCents(node.budget_limit ?? 0)} this month.
          </p>
        </div>
        <Fix node={node} />
      </div>
    );
  }
  if (!node.needs_restart) return null;
  return (
    <div className="trouble plain" role="status">
      <p className="grow">Changes wait for a restart.</p>
      <Fix node={node} />
    </div>
  );
}

/** The Details tab has the refusal beside its own buttons. */
export function TroubleNote({ node }: { node: WorkspaceNode }) {
  const { tab } = useSelection();
  return (
    <>
      <Note node={node} />
      {tab !== 'details' && <RunRefusal node={node} />}
    </>
  );
}
