// Small dialogs about one workspace: rename it, move it under another lead, take it out of its team.

import { useState } from 'react';
import { api } from '../app/api.ts';
import { decideDrop, slotIn } from '../canvas/drop.ts';
import { describeDrop } from '../canvas/drop-words.ts';
import { saveMoves } from '../canvas/moves.ts';
import { currentLayout } from '../canvas/use-seats.ts';
import { listDescendants, useLive, useWorkspace, useWorkspaces, writeLocally } from '../live/index.ts';
import { ConfirmDialog, StatusGlyph, TextField } from '../ui/index.ts';
import { closeDialog } from './dialog-store.ts';

export function RenameDialog({ id }: { id: string }) {
  const node = useWorkspace(id);
  const [name, setName] = useState(node?.name ?? '');
  if (!node) return null;
  const wanted = name.trim();
  return (
    <ConfirmDialog
      title={`Rename ${node.name}`}
      action="Rename"
      disabled={!wanted || wanted === node.name}
      onConfirm={() =>
        writeLocally(id, { name: wanted }, () => api.patchWorkspace({ params: { id }, body: { name: wanted } }))
      }
      onClose={closeDialog}
    >
      <TextField
        label="Name"
        data-autofocus=""
        maxLength={255}
        value={name}
        onChange={(event) => setName(event.target.value)}
      />
    </ConfirmDialog>
  );
}

/** Saves a move with everything inside the workspace; who could not be moved is said by a toast. */
async function moveUnder(id: string, parentId: string | null): Promise<void> {
  const layout = currentLayout();
  const box = layout.byId.get(id);
  if (!box) return;
  if (parentId !== null) return saveMoves(layout, [{ id, parentId, ...slotIn(layout, parentId, box, id) }]);
  const drop = decideDrop(layout, id, box, true);
  return saveMoves(layout, [{ id, parentId: null, x: drop.x, y: drop.y }]);
}

/** The keyboard's way to nest: a searchable list of possible leads. */
export function MoveDialog({ id }: { id: string }) {
  const node = useWorkspace(id);
  const workspaces = useWorkspaces();
  const model = useLive((state) => state.model);
  const [needle, setNeedle] = useState('');
  const [target, setTarget] = useState<string | null>(node?.parent_id ?? null);
  if (!node) return null;
  const excluded = new Set([id, ...listDescendants(model, id)]);
  const text = needle.trim().toLowerCase();
  const options = workspaces.filter((other) => !excluded.has(other.id) && other.name.toLowerCase().includes(text));
  const chosen = workspaces.find((other) => other.id === target);
  const isSame = target === node.parent_id;
  return (
    <ConfirmDialog
      title={`Move ${node.name}`}
      lead="Its peers and its team memory change with its place: it talks to its siblings, its lead and those below."
      action={isSame ? 'Move' : chosen ? `Move to ${chosen.name}` : 'Make it a root'}
      disabled={isSame}
      onConfirm={() => moveUnder(id, target)}
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
            {option.id === node.parent_id && <span className="muted">now</span>}
          </label>
        ))}
      </div>
    </ConfirmDialog>
  );
}

export function ExtractDialog({ id }: { id: string }) {
  const node = useWorkspace(id);
  const box = currentLayout().byId.get(id);
  if (!node?.parent_id || !box) return null;
  const drop = { kind: 'extract', from: node.parent_id, into: null, x: box.x, y: box.y } as const;
  return <ConfirmDialog {...describeDrop(drop, [id])} onConfirm={() => moveUnder(id, null)} onClose={closeDialog} />;
}
