// The keyboard's way to nest: a searchable list of possible leads, for one workspace or several.

import { useState } from 'react';
import { moveUnder } from '../canvas/move-under.ts';
import { listReached, listTopmost } from '../commands/batch.ts';
import { useWorkspaces } from '../live/index.ts';
import { ConfirmDialog, plural, StatusGlyph, TextField } from '../ui/index.ts';
import { closeDialog } from './dialog-store.ts';

export interface MoveDialogProps {
  ids: readonly string[];
  /** Who could not be moved, none for all done. */
  onDone?: ((left: readonly string[]) => void) | undefined;
}

export function MoveDialog({ ids, onDone }: MoveDialogProps) {
  const workspaces = useWorkspaces();
  const nodes = listTopmost(ids);
  const [first] = nodes;
  const isOne = nodes.length === 1;
  const [needle, setNeedle] = useState('');
  /** Undefined: nobody is chosen yet, as several have no place in common. */
  const [target, setTarget] = useState<string | null | undefined>(isOne ? first?.parent_id : undefined);
  if (!first) return null;
  const excluded = new Set(listReached(ids).map(({ id }) => id));
  const text = needle.trim().toLowerCase();
  const options = workspaces.filter((other) => !excluded.has(other.id) && other.name.toLowerCase().includes(text));
  const chosen = workspaces.find((other) => other.id === target);
  const moved = nodes.filter((node) => node.parent_id !== target);
  const isSame = target === undefined || moved.length === 0;
  const what = isOne ? first.name : plural(nodes.length, 'workspace');
  return (
    <ConfirmDialog
      title={`Move ${what}`}
      lead={
        isOne
          ? 'Its peers and its team memory change with its place: it talks to its siblings, its lead and those below.'
          : 'Their peers and their team memory change with their place. Whoever is below them goes along.'
      }
      action={isSame ? 'Move' : chosen ? `Move to ${chosen.name}` : isOne ? 'Make it a root' : 'Make them roots'}
      disabled={isSame}
      onConfirm={async () => {
        if (target === undefined) return;
        const left = await moveUnder(
          moved.map(({ id }) => id),
          target,
        );
        onDone?.(left);
      }}
      onClose={closeDialog}
    >
      <TextField
        bare
        label="Search for a lead"
        data-autofocus=""
        placeholder="Search for a lead"
        value={needle}
        onChange={(event) => setNeedle(event.target.value)}
      />
      <div className="picker scroll" role="radiogroup" aria-label="New lead">
        {[{ id: null, name: 'Nobody: a root', status: '' }, ...options].map((option) => (
          <label key={option.id ?? 'root'} className="row pick">
            <input type="radio" name="lead" checked={target === option.id} onChange={() => setTarget(option.id)} />
            {option.status && <StatusGlyph status={option.status} size={10} />}
            <span className="clip grow">{option.name}</span>
            {isOne && option.id === first.parent_id && <span className="muted">now</span>}
          </label>
        ))}
      </div>
    </ConfirmDialog>
  );
}
