// New credentials for an external seat: asked about first, as every earlier token stops at once; then shown where they are used.

import { useRef } from 'react';
import { api } from '../../app/api.ts';
import { useConnection, useWorkspace } from '../../live/index.ts';
import { ConfirmDialog } from '../../ui/index.ts';
import { closeDialog, type DialogRequest, openDialog } from '../dialog-store.ts';

export function RotateDialog({ id }: { id: string }) {
  const node = useWorkspace(id);
  const { canWrite } = useConnection();
  const next = useRef<DialogRequest | null>(null);
  if (!node) return null;
  return (
    <ConfirmDialog
      danger
      title={`Rotate the credentials of ${node.name}?`}
      lead="Every token it has stops at once: an agent that is connected now has to be given the new one."
      action="Rotate"
      disabled={!canWrite}
      onConfirm={async () => {
        const { connection } = await api.rotateCredentials({ params: { id } });
        next.current = { kind: 'connect', id, connection };
      }}
      onClose={() => (next.current ? openDialog(next.current) : closeDialog())}
    >
      {!canWrite && <div className="note warn">The platform is out of reach. This has to wait.</div>}
    </ConfirmDialog>
  );
}
