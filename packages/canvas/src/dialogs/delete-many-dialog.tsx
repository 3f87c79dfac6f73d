// Deleting several workspaces with everyone below them: names all who go, asks for a tick, and a retry is for those that are left.

import { useState } from 'react';
import { describeFailures, listReached, listTopmost, runEach } from '../commands/batch.ts';
import { removeWorkspace } from '../commands/remove.ts';
import { useConnection } from '../live/index.ts';
import { ConfirmDialog, plural, toast } from '../ui/index.ts';
import { closeDialog } from './dialog-store.ts';
import { Victims } from './victims.tsx';

export interface DeleteManyDialogProps {
  ids: readonly string[];
  /** Who is left after an attempt, none for all done. */
  onDone(left: readonly string[]): void;
}

export function DeleteManyDialog({ ids, onDone }: DeleteManyDialogProps) {
  const { canWrite } = useConnection();
  // As it was when it opened: the cards go one by one.
  const [victims] = useState(() => listReached(ids));
  const [left, setLeft] = useState(() => listTopmost(ids));
  const [isTried, setTried] = useState(false);
  const [isUnderstood, setUnderstood] = useState(false);
  const [purge, setPurge] = useState(false);
  const all = plural(victims.length, 'workspace');
  async function removeAll() {
    setTried(true);
    const failures = await runEach(left, ({ id }) => removeWorkspace(id, purge));
    setLeft(failures.map(({ node }) => node));
    onDone(failures.map(({ node }) => node.id));
    if (failures.length > 0) throw new Error(describeFailures(failures, 'deleted'));
    toast.success(`${all} deleted`);
  }
  return (
    <ConfirmDialog
      danger
      title={`Delete ${all}?`}
      lead="Their agents stop and their tokens end at once. Whoever is below them goes along."
      action={isTried ? 'Retry' : `Delete ${all}`}
      disabled={!canWrite || !isUnderstood}
      onConfirm={removeAll}
      onClose={closeDialog}
    >
      <Victims nodes={victims} label="Removed" />
      <label className="row tick">
        <input type="checkbox" checked={isUnderstood} onChange={(event) => setUnderstood(event.target.checked)} />
        <span>I understand that {all} are removed</span>
      </label>
      <label className="row tick">
        <input type="checkbox" checked={purge} onChange={(event) => setPurge(event.target.checked)} />
        <span>Purge as well: history and files cannot be brought back for any of them</span>
      </label>
      {!canWrite && <div className="note warn">The platform is out of reach. This has to wait.</div>}
    </ConfirmDialog>
  );
}
