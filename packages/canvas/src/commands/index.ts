// Actions as data: the card's menu, the panel's menu and the command palette draw the same lists.

import {
  Activity,
  ArrowRightLeft,
  Copy,
  FolderInput,
  Info,
  KeyRound,
  MessageSquare,
  Moon,
  Pencil,
  Plus,
  RotateCcw,
  Sun,
  Trash2,
  Unlink,
} from 'lucide-react';
import { api } from '../app/api.ts';
import { setPreference, usePreferences } from '../app/preferences.ts';
import { openDialog } from '../dialogs/dialog-store.ts';
import { select, type WorkspaceNode, writeLocally } from '../live/index.ts';
import { type MenuGroups, type MenuItem, toast } from '../ui/index.ts';

export function restart(node: Pick<WorkspaceNode, 'id' | 'name'>): void {
  api.restartWorkspace({ params: { id: node.id } }).then(
    () => toast.info(`Restarting ${node.name}`),
    (error: Error) => toast.error(`${node.name} could not be restarted: ${error.message}`),
  );
}

/** Takes a workspace out of its team; it keeps its place on the canvas. */
function extract(node: WorkspaceNode): void {
  writeLocally(node.id, { parent_id: null }, () =>
    api.patchWorkspace({ params: { id: node.id }, body: { parent_id: null, x: node.x, y: node.y } }),
  ).catch((error: Error) => toast.error(`${node.name} could not leave its team: ${error.message}`));
}

function copyLink(node: WorkspaceNode): void {
  navigator.clipboard.writeText(`${location.origin}/?ws=${node.id}`).then(
    () => toast.success('Link copied'),
    () => toast.error('The browser did not allow copying'),
  );
}

/** What can be done with one workspace; what does not apply is not listed. */
export function listNodeMenu(node: WorkspaceNode): MenuGroups {
  const external = node.runtime === 'external';
  const locked = node.deleting ? 'Is being deleted' : undefined;
  const withReason = (item: MenuItem): MenuItem => (locked ? { ...item, disabledReason: locked } : item);
  const open: MenuItem[] = [
    { id: 'chat', label: 'Chat', icon: MessageSquare, shortcut: '1', onSelect: () => select(node.id, 'chat') },
    { id: 'activity', label: 'Activity', icon: Activity, shortcut: '2', onSelect: () => select(node.id, 'activity') },
    { id: 'details', label: 'Details', icon: Info, shortcut: '3', onSelect: () => select(node.id, 'details') },
  ];
  const arrange: MenuItem[] = [
    { id: 'rename', label: 'Rename', icon: Pencil, onSelect: () => openDialog({ kind: 'rename', id: node.id }) },
    {
      id: 'add-child',
      label: 'Add workspace below',
      icon: Plus,
      onSelect: () => openDialog({ kind: 'create', parentId: node.id }),
    },
    { id: 'move', label: 'Move to…', icon: ArrowRightLeft, onSelect: () => openDialog({ kind: 'move', id: node.id }) },
    ...(node.parent_id
      ? [{ id: 'extract', label: 'Extract from team', icon: Unlink, onSelect: () => extract(node) }]
      : []),
    { id: 'copy-link', label: 'Copy link', icon: Copy, onSelect: () => copyLink(node) },
  ];
  const run: MenuItem[] =
    external || node.status === 'paused'
      ? []
      : [{ id: 'restart', label: 'Restart', icon: RotateCcw, onSelect: () => restart(node) }];
  const remove: MenuItem[] = [
    {
      id: 'delete',
      label: 'Delete',
      icon: Trash2,
      shortcut: 'Del',
      danger: true,
      onSelect: () => openDialog({ kind: 'delete', id: node.id }),
    },
  ];
  return [open, arrange.map(withReason), run.map(withReason), remove.map(withReason)];
}

/** What the palette offers beside the workspaces. */
export function listCommands(): MenuItem[] {
  const dark = usePreferences.getState().theme !== 'light';
  return [
    { id: 'create', label: 'New workspace', icon: Plus, shortcut: 'N', onSelect: () => openDialog({ kind: 'create' }) },
    {
      id: 'import',
      label: 'Import an organisation',
      icon: FolderInput,
      onSelect: () => openDialog({ kind: 'import' }),
    },
    {
      id: 'connect-model',
      label: 'Connect a model',
      icon: KeyRound,
      onSelect: () => openDialog({ kind: 'connect-model' }),
    },
    {
      id: 'theme',
      label: dark ? 'Light theme' : 'Dark theme',
      icon: dark ? Sun : Moon,
      onSelect: () => setPreference('theme', dark ? 'light' : 'dark'),
    },
  ];
}
