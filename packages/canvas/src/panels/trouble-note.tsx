// Above the tab: why a workspace does not work, since when, and the one thing that mends it.

import { runCardAction } from '../canvas/actions.ts';
import { isOverBudget, readMessage } from '../canvas/card-facts.ts';
import { select, useConnection, useSelection, type WorkspaceNode } from '../live/index.ts';
import { Button, formatCents, RelativeTime, StatusGlyph, useSlowNow } from '../ui/index.ts';

const SHOWN = new Set(['degraded', 'failed', 'offline', 'paused', 'awaiting_agent']);

/** What the words of a card say at full length. */
const LONGER: Record<string, string> = {
  awaiting_agent: 'No agent has made contact yet. Messages to a polling agent wait in its inbox.',
  paused: 'Takes no work until resumed.',
};

function Since({ node }: { node: WorkspaceNode }) {
  const { tab } = useSelection();
  const hasLog = node.runtime !== 'external' && node.status !== 'paused';
  return (
    <p className="muted">
      Since <RelativeTime at={node.status_changed_at} />.{' '}
      {hasLog && tab !== 'details' && (
        <button type="button" className="link" onClick={() => select(node.id, 'details')}>
          View its log
        </button>
      )}
    </p>
  );
}

function Fix({ node }: { node: WorkspaceNode }) {
  const { canWrite } = useConnection();
  const { tab } = useSelection();
  const action = readMessage(node, useSlowNow())?.action;
  const leadsHere = action?.id === 'raise-limit';
  if (!action || (leadsHere && tab === 'details')) return null;
  return (
    <Button
      size="sm"
      look="line"
      disabled={!canWrite && !leadsHere}
      title={canWrite ? undefined : 'The platform is out of reach'}
      onClick={() => runCardAction(node.id, action.id)}
    >
      {action.label}
    </Button>
  );
}

export function TroubleNote({ node }: { node: WorkspaceNode }) {
  const message = readMessage(node, useSlowNow());
  if (SHOWN.has(node.status)) {
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
