// Which dialog is open. Any part of the canvas opens one; `Dialogs` draws it.

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
  | { kind: 'move'; id: string }
  | { kind: 'extract'; id: string }
  | { kind: 'rename'; id: string }
  | { kind: 'import'; dir?: string }
  | { kind: 'connect-model'; key?: string | undefined }
  | { kind: 'connect'; id: string; token?: string }
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
