// Small dialogs about one workspace: rename it, take it out of its team.

import { useState } from 'react';
import { api } from '../app/api.ts';
import { describeDrop } from '../canvas/drop-words.ts';
import { moveUnder } from '../canvas/move-under.ts';
import { currentLayout } from '../canvas/use-seats.ts';
import { useWorkspace, writeLocally } from '../live/index.ts';
import { ConfirmDialog, TextField } from '../ui/index.ts';
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

export function ExtractDialog({ id }: { id: string }) {
  const node = useWorkspace(id);
  const box = currentLayout().byId.get(id);
  if (!node?.parent_id || !box) return null;
  const drop = { kind: 'extract', from: node.parent_id, into: null, x: box.x, y: box.y } as const;
  return <ConfirmDialog {...describeDrop(drop, [id])} onConfirm={() => moveUnder([id], null)} onClose={closeDialog} />;
}
