// What can be done with several selected workspaces at once. Failures stay selected and the bar stays with them.

import { useState } from 'react';
import { describeFailures, listAlsoPaused, listTargets, runBatch } from '../commands/batch.ts';
import { DONE_WORDS, type RunAction } from '../commands/lifecycle.ts';
import { openDialog } from '../dialogs/dialog-store.ts';
import { selectMany, useConnection, useSelection, useWorkspaces } from '../live/index.ts';
import { Button, Kbd, toast } from '../ui/index.ts';

const ACTIONS: readonly { id: RunAction; label: string }[] = [
  { id: 'restart', label: 'Restart' },
  { id: 'pause', label: 'Pause' },
  { id: 'resume', label: 'Resume' },
  { id: 'hibernate', label: 'Hibernate' },
];

export function BatchBar() {
  const { ids } = useSelection();
  const { canWrite } = useConnection();
  // What applies follows the statuses.
  useWorkspaces();
  const [busy, setBusy] = useState<RunAction | null>(null);
  const [isRetained, setRetained] = useState(false);
  if (ids.length < 2 && !(isRetained && ids.length === 1)) return null;

  async function act(action: RunAction) {
    const targets = listTargets(ids, action);
    setBusy(action);
    const failures = await runBatch(targets, action);
    setBusy(null);
    setRetained(failures.length > 0);
    const done = targets.length - failures.length;
    if (done > 0) toast.success(`${done} ${DONE_WORDS[action]}`);
    if (failures.length === 0) return;
    selectMany(failures.map(({ node }) => node.id));
    toast.error(describeFailures(failures, DONE_WORDS[action]));
  }

  function start(action: RunAction) {
    if (action === 'pause' && listAlsoPaused(ids).length > 0)
      openDialog({ kind: 'pause-many', ids, onConfirm: () => void act(action) });
    else void act(action);
  }

  /** Those that are left stay selected, and the bar with them. */
  function retain(left: readonly string[]) {
    setRetained(left.length > 0);
    selectMany(left);
  }

  const locked = !canWrite || busy !== null;
  const why = canWrite ? undefined : 'The platform is out of reach';
  const offered = ACTIONS.filter(({ id }) => id === busy || listTargets(ids, id).length > 0);
  return (
    <div className="batch" role="toolbar" aria-label="Selected workspaces" data-testid="batch-bar">
      <b>{ids.length} selected</b>
      {offered.map(({ id, label }) => (
        <Button key={id} busy={busy === id} disabled={locked} title={why} onClick={() => start(id)}>
          {label}
        </Button>
      ))}
      <Button disabled={locked} title={why} onClick={() => openDialog({ kind: 'move-many', ids, onDone: retain })}>
        Move to…
      </Button>
      <Button
        className="danger"
        disabled={locked}
        title={why}
        onClick={() => openDialog({ kind: 'delete-many', ids, onDone: retain })}
      >
        Delete…
      </Button>
      <i className="sep" />
      <Button
        onClick={() => {
          setRetained(false);
          selectMany([]);
        }}
      >
        Clear <Kbd keys="Esc" />
      </Button>
    </div>
  );
}
