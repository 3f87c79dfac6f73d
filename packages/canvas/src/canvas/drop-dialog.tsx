// Nest or extract: names both sides and what it means for the agents before anything is sent.

import { getWorkspace, useConnection } from '../live/index.ts';
import { ConfirmDialog, plural } from '../ui/index.ts';
import type { PendingDrop } from './use-drag.ts';

const nameOf = (id: string) => getWorkspace(id)?.name ?? 'a removed workspace';

export interface DropDialogProps {
  pending: PendingDrop;
  onConfirm(): Promise<void>;
  onCancel(): void;
}

export function DropDialog({ pending, onConfirm, onCancel }: DropDialogProps) {
  const { canWrite } = useConnection();
  const { drop, ids } = pending;
  const what = ids.length === 1 ? nameOf(ids[0] ?? '') : plural(ids.length, 'workspace');
  const isNest = drop.kind === 'nest';
  const title = isNest
    ? `Nest ${what} in ${nameOf(drop.into)}?`
    : drop.into === null
      ? `Extract ${what} from ${nameOf(drop.from)}?`
      : `Extract ${what} from ${nameOf(drop.from)} into ${nameOf(drop.into)}?`;
  const lead = isNest
    ? `Its peers become the members of ${nameOf(drop.into)}, and it shares that team's memory.`
    : drop.into === null
      ? `It stands alone afterwards: its peers and the team memory of ${nameOf(drop.from)} are out of its reach.`
      : `Its peers become the members of ${nameOf(drop.into)}; those of ${nameOf(drop.from)} are out of its reach.`;
  return (
    <ConfirmDialog
      title={title}
      lead={lead}
      action={isNest ? 'Nest' : 'Extract'}
      disabled={!canWrite}
      onConfirm={onConfirm}
      onClose={onCancel}
    >
      {!canWrite && <div className="note warn">The platform is out of reach. This has to wait.</div>}
    </ConfirmDialog>
  );
}
