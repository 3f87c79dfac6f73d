// Deleting a workspace with everything below it: names what goes, asks for a tick, and says when an agent could not be stopped.

import { ApiError } from '@molecule/contract';
import { useState } from 'react';
import { api } from '../app/api.ts';
import { focusSomeCard } from '../canvas/focus.ts';
import {
  dropWorkspace,
  listDescendants,
  setDeleting,
  useConnection,
  useLive,
  useWorkspace,
  type WorkspaceNode,
} from '../live/index.ts';
import { ConfirmDialog, plural, StatusGlyph } from '../ui/index.ts';
import { closeDialog } from './dialog-store.ts';

const TIMEOUT_MS = 60_000;

/** The names a refusal lists as not stopped. */
function countStopFailures(error: ApiError): number {
  const failures = error.body.stop_failures;
  return Array.isArray(failures) ? failures.length : 1;
}

async function remove(id: string, purge: boolean): Promise<void> {
  setDeleting(id, true);
  try {
    await api.deleteWorkspace({ params: { id }, query: { confirm: true, purge }, timeoutMs: TIMEOUT_MS });
    dropWorkspace(id, true);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) {
      dropWorkspace(id, true);
      return;
    }
    // The rows are gone then, and the cards stay dimmed until a retry succeeds.
    if (error instanceof ApiError && error.code === 'stop_failures')
      throw new Error(`Removed, but ${countStopFailures(error)} could not be stopped: ${error.message}`);
    setDeleting(id, false);
    throw error;
  }
}

function Victims({ nodes }: { nodes: readonly WorkspaceNode[] }) {
  return (
    <ul className="victims scroll" aria-label="Also removed">
      {nodes.map((node) => (
        <li key={node.id} className="row">
          <StatusGlyph status={node.status} size={10} /> <span className="clip">{node.name}</span>
        </li>
      ))}
    </ul>
  );
}

export function DeleteDialog({ id }: { id: string }) {
  const node = useWorkspace(id);
  const model = useLive((state) => state.model);
  const { canWrite } = useConnection();
  const [understood, setUnderstood] = useState(false);
  const [purge, setPurge] = useState(false);
  const [tried, setTried] = useState(false);
  if (!node) return null;
  const below = listDescendants(model, id).flatMap((each) => model.nodes[each] ?? []);
  const all = plural(below.length + 1, 'workspace');
  const isTeam = below.length > 0;
  return (
    <ConfirmDialog
      danger
      title={isTeam ? `Delete ${node.name} and ${below.length} more?` : `Delete ${node.name}?`}
      lead={`${isTeam ? 'Their agents stop and their' : 'Its agent stops and its'} tokens end at once.`}
      action={tried ? 'Retry' : isTeam ? `Delete ${all}` : 'Delete'}
      disabled={!canWrite || (isTeam && !understood)}
      onConfirm={async () => {
        setTried(true);
        await remove(id, purge);
        // The card that had the focus is gone; after the dialog has given it back to nobody.
        requestAnimationFrame(() => focusSomeCard(node.parent_id));
      }}
      onClose={closeDialog}
    >
      {isTeam && <Victims nodes={below} />}
      {isTeam && (
        <label className="row tick">
          <input type="checkbox" checked={understood} onChange={(event) => setUnderstood(event.target.checked)} />
          <span>I understand that {all} are removed</span>
        </label>
      )}
      <label className="row tick">
        <input type="checkbox" checked={purge} onChange={(event) => setPurge(event.target.checked)} />
        <span>Purge as well: history and files cannot be brought back{isTeam ? ' for any of them' : ''}</span>
      </label>
      {!canWrite && <div className="note warn">The platform is out of reach. This has to wait.</div>}
    </ConfirmDialog>
  );
}
