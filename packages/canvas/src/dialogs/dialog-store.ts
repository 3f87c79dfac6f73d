// Which dialog is open. Any part of the canvas opens one; `Dialogs` draws it.

import type { ConnectionBlock, ImportedBundle } from '@molecule/contract';
import { create } from 'zustand';

export type DialogRequest =
  | {
      kind: 'create';
      parentId?: string | null;
      name?: string;
      external?: boolean;
      point?: { x: number; y: number } | null;
    }
  | { kind: 'delete'; id: string }
  | { kind: 'delete-many'; ids: readonly string[]; onDone(left: readonly string[]): void }
  | { kind: 'pause'; id: string }
  | { kind: 'pause-many'; ids: readonly string[]; onConfirm(): void }
  | { kind: 'hibernate'; id: string; tasks: number }
  | { kind: 'dissolve'; id: string }
  | { kind: 'rotate'; id: string }
  | { kind: 'give-model' }
  | { kind: 'move'; id: string }
  | { kind: 'move-many'; ids: readonly string[]; onDone(left: readonly string[]): void }
  | { kind: 'extract'; id: string }
  | { kind: 'rename'; id: string }
  | { kind: 'import'; dir?: string }
  | { kind: 'bundle-result'; file: string; root: ImportedBundle }
  | { kind: 'connect-model'; key?: string | undefined }
  /** With the block of a token that was just made; without it the seat's, which has none. */
  | { kind: 'connect'; id: string; connection?: ConnectionBlock }
  | { kind: 'settings' }
  | { kind: 'search' }
  | { kind: 'shortcuts' };

export const useDialogs = create<{ open: DialogRequest | null }>(() => ({ open: null }));

export function openDialog(request: DialogRequest): void {
  useDialogs.setState({ open: request });
}

export function closeDialog(): void {
  useDialogs.setState({ open: null });
}
