// Dialogs about one workspace: delete with everything below it, move, rename.

import { ApiError } from '@molecule/contract';
import { useState } from 'react';
import { api } from '../app/api.ts';
import {
  dropWorkspace,
  listDescendants,
  setDeleting,
  useLive,
  useWorkspace,
  useWorkspaces,
  writeLocally,
} from '../live/index.ts';
import { ConfirmDialog, plural, StatusGlyph, TextField } from '../ui/index.ts';
import { closeDialog } from './dialog-store.ts';

async function remove(id: string): Promise<void> {
  setDeleting(id, true);
  try {
    await api.deleteWorkspace({ params: { id }, query: { confirm: true }, timeoutMs: 60_000 });
    dropWorkspace(id, true);
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return dropWorkspace(id, true);
    // With stop failures the rows are gone and the node stays dimmed until a retry succeeds.
    if (!(error instanceof ApiError && error.code === 'stop_failures')) setDeleting(id, false);
    throw error;
  }
}

export function DeleteDialog({ id }: { id: string }) {
  const node = useWorkspace(id);
  const model = useLive((state) => state.model);
  const [understood, setUnderstood] = useState(false);
  if (!node) return null;
  const below = listDescendants(model, id).flatMap((each) => model.nodes[each] ?? []);
  return (
    <ConfirmDialog
      danger
      title={below.length > 0 ? `Delete ${node.name} and ${below.length} more?` : `Delete ${node.name}?`}
      lead={`${below.length > 0 ? 'Their agents stop and their' : 'Its agent stops and its'} tokens end at once.`}
      action={below.length > 0 ? `Delete ${plural(below.length + 1, 'workspace')}` : 'Delete'}
      disabled={below.length > 0 && !understood}
      onConfirm={() => remove(id)}
      onClose={closeDialog}
    >
      {below.length > 0 && (
        <>
          <ul className="victims scroll">
            {below.map((each) => (
              <li key={each.id} className="row">
                <StatusGlyph status={each.status} size={10} /> <span className="clip">{each.name}</span>
              </li>
            ))}
          </ul>
          <label className="row tick">
            <input type="checkbox" checked={understood} onChange={(event) => setUnderstood(event.target.checked)} /> I
            understand that {plural(below.length + 1, 'workspace')} are removed
          </label>
        </>
      )}
    </ConfirmDialog>
  );
}

export function RenameDialog({ id }: { id: string }) {
  const node = useWorkspace(id);
  const [name, setName] = useState(node?.name ?? '');
  if (!node) return null;
  return (
    <ConfirmDialog
      title={`Rename ${node.name}`}
      action="Rename"
      disabled={!name.trim() || name === node.name}
      onConfirm={() =>
        writeLocally(id, { name: name.trim() }, () =>
          api.patchWorkspace({ params: { id }, body: { name: name.trim() } }),
        )
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

/** The keyboard's way to nest: a searchable list of possible leads. */
export function MoveDialog({ id }: { id: string }) {
  const node = useWorkspace(id);
  const workspaces = useWorkspaces();
  const model = useLive((state) => state.model);
  const [needle, setNeedle] = useState('');
  const [target, setTarget] = useState<string | null>(node?.parent_id ?? null);
  if (!node) return null;
  const excluded = new Set([id, ...listDescendants(model, id)]);
  const options = workspaces.filter(
    (other) => !excluded.has(other.id) && other.name.toLowerCase().includes(needle.trim().toLowerCase()),
  );
  const chosen = workspaces.find((other) => other.id === target);

  async function move() {
    const siblings = workspaces.filter((other) => other.parent_id === target).length;
    const spot = chosen
      ? { x: chosen.x + 16 + (siblings % 2) * 254, y: chosen.y + 130 + Math.floor(siblings / 2) * 144 }
      : { x: node?.x ?? 0, y: node?.y ?? 0 };
    await writeLocally(id, { parent_id: target, ...spot }, () =>
      api.patchWorkspace({ params: { id }, body: { parent_id: target, ...spot } }),
    );
  }

  return (
    <ConfirmDialog
      title={`Move ${node.name}`}
      lead="Its peers change with its place: it talks to its siblings, its lead and those below."
      action={chosen ? `Move to ${chosen.name}` : 'Make it a root'}
      disabled={target === node.parent_id}
      onConfirm={move}
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
            <span className="clip">{option.name}</span>
          </label>
        ))}
      </div>
    </ConfirmDialog>
  );
}
