// Deleting a workspace with everything below it: names what goes, asks for a tick, and says when an agent could not be stopped.
// It shows what was there when it opened: the cards go with the first event, and a stop that failed is said after that.

import { useState } from 'react';
import { focusSomeCard } from '../canvas/focus.ts';
import { exportBundle } from '../commands/bundles.ts';
import { removeWorkspace } from '../commands/remove.ts';
import { getWorkspace, listDescendants, useConnection, useLive } from '../live/index.ts';
import { Button, ConfirmDialog, plural } from '../ui/index.ts';
import { closeDialog } from './dialog-store.ts';
import { Victims } from './victims.tsx';

export function DeleteDialog({ id }: { id: string }) {
  const { canWrite } = useConnection();
  const [{ node, below }] = useState(() => {
    const { model } = useLive.getState();
    return {
      node: getWorkspace(id),
      below: listDescendants(model, id).flatMap((each) => model.nodes[each] ?? []),
    };
  });
  const [understood, setUnderstood] = useState(false);
  const [purge, setPurge] = useState(false);
  const [tried, setTried] = useState(false);
  if (!node) return null;
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
        await removeWorkspace(id, purge);
        // The card that had the focus is gone; after the dialog has given it back to nobody.
        requestAnimationFrame(() => focusSomeCard(node.parent_id));
      }}
      onClose={closeDialog}
    >
      {isTeam && <Victims nodes={below} label="Also removed" />}
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
      {!tried && (
        <div className="row">
          <span className="hint grow">A delete cannot be undone.</span>
          <Button size="sm" look="line" onClick={() => void exportBundle(node)}>
            Export first
          </Button>
        </div>
      )}
      {!canWrite && <div className="note warn">The platform is out of reach. This has to wait.</div>}
    </ConfirmDialog>
  );
}
