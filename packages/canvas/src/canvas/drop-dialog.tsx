// Nest or extract after a drag: names both sides and what it means before anything is sent.

import { useConnection } from '../live/index.ts';
import { ConfirmDialog } from '../ui/index.ts';
import { describeDrop } from './drop-words.ts';
import type { PendingDrop } from './use-drag.ts';

export interface DropDialogProps {
  pending: PendingDrop;
  onConfirm(): Promise<void>;
  onCancel(): void;
}

export function DropDialog({ pending, onConfirm, onCancel }: DropDialogProps) {
  const { canWrite } = useConnection();
  return (
    <ConfirmDialog
      {...describeDrop(pending.drop, pending.ids)}
      disabled={!canWrite}
      onConfirm={onConfirm}
      onClose={onCancel}
    >
      {!canWrite && <div className="note warn">The platform is out of reach. This has to wait.</div>}
    </ConfirmDialog>
  );
}
