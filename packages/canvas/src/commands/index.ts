// Actions as data: the card's menu, the panel's menu and the command palette draw the same lists.

import {
  Activity,
  ArrowRightLeft,
  Copy,
  FolderInput,
  FoldVertical,
  Info,
  KeyRound,
  LayoutGrid,
  MessageSquare,
  Moon,
  Pencil,
  Plug,
  Plus,
  RotateCcw,
  Scan,
  Settings2,
  Sun,
  Trash2,
  UnfoldVertical,
  Unlink,
} from 'lucide-react';
import { api } from '../app/api.ts';
import { setPreference, usePreferences } from '../app/preferences.ts';
import { zoomToNode } from '../canvas/camera.ts';
import { arrangeChildren, setCollapsed } from '../canvas/moves.ts';
import { currentLayout } from '../canvas/use-seats.ts';
import { openDialog } from '../dialogs/dialog-store.ts';
import { select, useLive, type WorkspaceNode } from '../live/index.ts';
import { copyText, type MenuGroups, type MenuItem, toast } from '../ui/index.ts';

export function restart(node: Pick<WorkspaceNode, 'id' | 'name'>): void {
  api.restartWorkspace({ params: { id: node.id }, body: {} }).then(
    () => toast.info(`Restarting ${node.name}`),
    (error: Error) => toast.error(`${node.name} could not be restarted: ${error.message}`),
  );
}

function copyLink(node: WorkspaceNode): void {
  void copyText(`${location.origin}/?ws=${node.id}`).then((copied) =>
    copied ? toast.success('Link copied') : toast.error('The browser did not allow copying'),
  );
}

const RESTART_WORDS: Record<string, string> = { failed: 'Retry', hibernated: 'Wake' };
export const restartWord = (status: string): string => RESTART_WORDS[status] ?? 'Restart';

/** External agents are started by their owners; a paused or just sleeping seat is resumed or woken otherwise. */
export function canRestart(node: WorkspaceNode): boolean {
  return node.runtime !== 'external' && node.status !== 'paused' && node.status !== 'hibernating';
}

function listViews({ id }: WorkspaceNode): MenuItem[] {
  return [
    { id: 'chat', label: 'Chat', icon: MessageSquare, shortcut: '1', onSelect: () => select(id, 'chat') },
    { id: 'activity', label: 'Activity', icon: Activity, shortcut: '2', onSelect: () => select(id, 'activity') },
    { id: 'details', label: 'Details', icon: Info, shortcut: '3', onSelect: () => select(id, 'details') },
  ];
}

function listPlaces(node: WorkspaceNode): MenuItem[] {
  const { id } = node;
  const items: MenuItem[] = [
    { id: 'rename', label: 'Rename', icon: Pencil, onSelect: () => openDialog({ kind: 'rename', id }) },
    {
      id: 'add-child',
      label: 'Add workspace below',
      icon: Plus,
      onSelect: () => openDialog({ kind: 'create', parentId: id }),
    },
    { id: 'move', label: 'Move to…', icon: ArrowRightLeft, onSelect: () => openDialog({ kind: 'move', id }) },
  ];
  if (node.parent_id)
    items.push({
      id: 'extract',
      label: 'Extract from team',
      icon: Unlink,
      onSelect: () => openDialog({ kind: 'extract', id }),
    });
  return items;
}

function listTeam(node: WorkspaceNode): MenuItem[] {
  const { id, collapsed } = node;
  if (!currentLayout().byId.get(id)?.children.length) return [];
  return [
    {
      id: 'arrange',
      label: 'Arrange children',
      icon: LayoutGrid,
      onSelect: () => arrangeChildren(currentLayout(), id),
    },
    {
      id: 'fold',
      label: collapsed ? 'Unfold the team' : 'Fold the team',
      icon: collapsed ? UnfoldVertical : FoldVertical,
      onSelect: () => setCollapsed(id, !collapsed),
    },
    { id: 'zoom', label: 'Zoom to team', icon: Scan, shortcut: 'Z', onSelect: () => zoomToNode(id) },
  ];
}

function listRuns(node: WorkspaceNode): MenuItem[] {
  const { id, status } = node;
  const items: MenuItem[] = [];
  if (canRestart(node))
    items.push({ id: 'restart', label: restartWord(status), icon: RotateCcw, onSelect: () => restart(node) });
  if (node.runtime === 'external')
    items.push({ id: 'connect', label: 'Connect…', icon: Plug, onSelect: () => openDialog({ kind: 'connect', id }) });
  return items;
}

/** What can be done with one workspace; what does not apply is not listed. */
export function listNodeMenu(node: WorkspaceNode): MenuGroups {
  const { canWrite } = useLive.getState().connection;
  const reason = node.deleting ? 'Is being deleted' : canWrite ? undefined : 'The platform is out of reach';
  const change = (item: MenuItem): MenuItem => (reason ? { ...item, disabledReason: reason } : item);
  const link: MenuItem = { id: 'copy-link', label: 'Copy link', icon: Copy, onSelect: () => copyLink(node) };
  const remove: MenuItem = {
    id: 'delete',
    label: 'Delete',
    icon: Trash2,
    shortcut: 'Del',
    danger: true,
    onSelect: () => openDialog({ kind: 'delete', id: node.id }),
  };
  return [
    listViews(node),
    listPlaces(node).map(change),
    listTeam(node).map(change),
    [...listRuns(node).map(change), link],
    [change(remove)],
  ];
}

/** What the palette offers beside the workspaces. */
export function listCommands(): MenuItem[] {
  const isDark = usePreferences.getState().theme !== 'light';
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
      id: 'settings',
      label: 'Settings',
      icon: Settings2,
      shortcut: 'Mod+,',
      onSelect: () => openDialog({ kind: 'settings' }),
    },
    {
      id: 'theme',
      label: isDark ? 'Light theme' : 'Dark theme',
      icon: isDark ? Sun : Moon,
      onSelect: () => setPreference('theme', isDark ? 'light' : 'dark'),
    },
  ];
}
