// What has to be confirmed before workspaces are put away: a pause that reaches others, a sleep in the middle of work, the end
// of a team. Each names who is affected and what follows.

import { useState } from 'react';
import { api } from '../app/api.ts';
import { listAlsoPaused } from '../commands/batch.ts';
import { listPausedWith, sendRun } from '../commands/lifecycle.ts';
import { countStopFailures } from '../commands/remove.ts';
import { dropWorkspace, listDescendants, useConnection, useLive, useWorkspace } from '../live/index.ts';
import { ConfirmDialog, plural, TextField, toast } from '../ui/index.ts';
import { closeDialog } from './dialog-store.ts';
import { Victims } from './victims.tsx';

const TIMEOUT_MS = 60_000;

function OutOfReach() {
  return <div className="note warn">The platform is out of reach. This has to wait.</div>;
}

export function PauseDialog({ id }: { id: string }) {
  const node = useWorkspace(id);
  const { canWrite } = useConnection();
  const [others] = useState(() => listPausedWith(id));
  if (!node) return null;
  return (
    <ConfirmDialog
      title={`Pause ${node.name} and ${others.length} more?`}
      lead="A pause reaches everyone below. Their agents stop, and only a resume starts them again."
      action={`Pause ${plural(others.length + 1, 'workspace')}`}
      disabled={!canWrite}
      onConfirm={() => sendRun(id, 'pause')}
      onClose={closeDialog}
    >
      <Victims nodes={others} label="Also paused" />
      {!canWrite && <OutOfReach />}
    </ConfirmDialog>
  );
}

/** Several at once, and who is not among the chosen. */
export function PauseManyDialog({ ids, onConfirm }: { ids: readonly string[]; onConfirm(): void }) {
  const { canWrite } = useConnection();
  const [others] = useState(() => listAlsoPaused(ids));
  return (
    <ConfirmDialog
      title={`Pause ${plural(ids.length, 'workspace')} and ${others.length} more?`}
      lead="A pause reaches everyone below. Their agents stop, and only a resume starts them again."
      action={`Pause ${plural(ids.length + others.length, 'workspace')}`}
      disabled={!canWrite}
      onConfirm={onConfirm}
      onClose={closeDialog}
    >
      <Victims nodes={others} label="Also paused" />
      {!canWrite && <OutOfReach />}
    </ConfirmDialog>
  );
}

/** @param tasks how many of its tasks run, as the platform said. */
export function HibernateDialog({ id, tasks }: { id: string; tasks: number }) {
  const node = useWorkspace(id);
  const { canWrite } = useConnection();
  if (!node) return null;
  return (
    <ConfirmDialog
      danger
      title={`${node.name} is at work. Hibernate it all the same?`}
      lead={`${plural(tasks, 'task')} of it ${tasks === 1 ? 'is' : 'are'} running and ${tasks === 1 ? 'ends' : 'end'} unfinished. The next message wakes the agent.`}
      action="Hibernate now"
      disabled={!canWrite}
      onConfirm={() => sendRun(id, 'hibernate', { force: true })}
      onClose={closeDialog}
    >
      {!canWrite && <OutOfReach />}
    </ConfirmDialog>
  );
}

/** Removes everything below a workspace and keeps the workspace; what is typed has to be its name. */
export function DissolveDialog({ id }: { id: string }) {
  const node = useWorkspace(id);
  const { canWrite } = useConnection();
  const [victims] = useState(() => {
    const { model } = useLive.getState();
    return listDescendants(model, id).flatMap((each) => model.nodes[each] ?? []);
  });
  const [typed, setTyped] = useState('');
  const [tried, setTried] = useState(false);
  if (!node) return null;
  async function dissolve() {
    setTried(true);
    try {
      await api.collapseWorkspace({ params: { id }, timeoutMs: TIMEOUT_MS });
    } catch (error) {
      const count = countStopFailures(error);
      throw count === null ? error : new Error(`Removed, but ${count} could not be stopped. Retry stops what is left.`);
    }
    for (const victim of victims.toReversed()) dropWorkspace(victim.id);
    toast.success(`The team of ${node?.name} is dissolved`);
  }
  return (
    <ConfirmDialog
      danger
      title={`Dissolve the team of ${node.name}?`}
      lead={`${plural(victims.length, 'workspace')} below it ${victims.length === 1 ? 'is' : 'are'} removed: agents stop and tokens end at once. ${node.name} stays.`}
      action={tried ? 'Retry' : `Remove ${plural(victims.length, 'workspace')}`}
      disabled={!canWrite || typed.trim() !== node.name.trim()}
      onConfirm={dissolve}
      onClose={closeDialog}
    >
      <Victims nodes={victims} label="Removed" />
      <TextField
        label={`Type ${node.name} to confirm`}
        autoComplete="off"
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
      />
      {!canWrite && <OutOfReach />}
    </ConfirmDialog>
  );
}
