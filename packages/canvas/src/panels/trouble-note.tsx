// Above the tabs: why a workspace does not work, since when, and the one thing that mends it.

import { findMissingKey, NO_DETAILS } from '../canvas/card-facts.ts';
import { restart } from '../commands/index.ts';
import { openDialog } from '../dialogs/dialog-store.ts';
import { select, type WorkspaceNode } from '../live/index.ts';
import { Button, RelativeTime, StatusGlyph } from '../ui/index.ts';

const SHOWN = new Set(['degraded', 'failed', 'offline']);

function Fix({ node }: { node: WorkspaceNode }) {
  const key = node.status === 'failed' ? findMissingKey(node.last_sample_error) : null;
  if (key) {
    return (
      <Button size="sm" look="line" onClick={() => openDialog({ kind: 'connect-model', key })}>
        Add key
      </Button>
    );
  }
  if (node.runtime === 'external') return null;
  return (
    <Button size="sm" look="line" onClick={() => restart(node)}>
      {node.status === 'failed' ? 'Retry' : 'Restart'}
    </Button>
  );
}

export function TroubleNote({ node }: { node: WorkspaceNode }) {
  if (SHOWN.has(node.status)) {
    return (
      <div className="trouble" data-status={node.status} role="status">
        <StatusGlyph status={node.status} />
        <div className="grow">
          <p className="trouble-text">{node.last_sample_error?.trim() || NO_DETAILS}</p>
          <p className="muted">
            Since <RelativeTime at={node.status_changed_at} />.{' '}
            <button type="button" className="link" onClick={() => select(node.id, 'details')}>
              View log
            </button>
          </p>
        </div>
        <Fix node={node} />
      </div>
    );
  }
  if (!node.needs_restart || node.runtime === 'external') return null;
  return (
    <div className="trouble plain" role="status">
      <p className="grow">Changes wait for a restart.</p>
      <Button size="sm" look="line" onClick={() => restart(node)}>
        Restart to apply
      </Button>
    </div>
  );
}
