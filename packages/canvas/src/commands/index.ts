// Actions as data: the card's menu, the panel's menu and the command palette draw the same lists.

import {
  Activity,
  ArrowRightLeft,
  CalendarClock,
  Copy,
  Download,
  Eraser,
  FolderInput,
  FolderOpen,
  FoldVertical,
  Info,
  KeyRound,
  LayoutGrid,
  type LucideIcon,
  MessageSquare,
  Moon,
  Pause,
  Pencil,
  Play,
  Plug,
  Plus,
  RotateCcw,
  Scan,
  Settings2,
  Sparkle,
  SquareTerminal,
  Sun,
  Trash2,
  UnfoldVertical,
  Unlink,
  Waypoints,
} from 'lucide-react';
import { setPreference, usePreferences } from '../app/preferences.ts';
import { zoomToNode } from '../canvas/camera.ts';
import { arrangeChildren, setCollapsed } from '../canvas/moves.ts';
import { currentLayout } from '../canvas/use-seats.ts';
import { openDialog } from '../dialogs/dialog-store.ts';
import { select, useLive, type WorkspaceNode } from '../live/index.ts';
import { openWhy } from '../panels/why/why-store.ts';
import { copyText, type MenuGroups, type MenuItem, toast } from '../ui/index.ts';
import { chooseBundles, exportBundle } from './bundles.ts';
import { listRunActions, type RunAction, run, runWord } from './lifecycle.ts';

export { restart } from './lifecycle.ts';

function copyLink(node: WorkspaceNode): void {
  void copyText(`${location.origin}/?ws=${node.id}`).then((copied) =>
    copied ? toast.success('Link copied') : toast.error('The browser did not allow copying'),
  );
}

const RUN_ICONS: Record<RunAction, LucideIcon> = { restart: RotateCcw, pause: Pause, resume: Play, hibernate: Moon };

function listViews({ id, runtime }: WorkspaceNode): MenuItem[] {
  return [
    { id: 'chat', label: 'Chat', icon: MessageSquare, shortcut: '1', onSelect: () => select(id, 'chat') },
    { id: 'activity', label: 'Activity', icon: Activity, shortcut: '2', onSelect: () => select(id, 'activity') },
    {
      id: 'why',
      label: 'Why is it waiting?',
      icon: Waypoints,
      shortcut: 'W',
      onSelect: () => openWhy({ workspaceId: id }),
    },
    { id: 'details', label: 'Details', icon: Info, shortcut: '3', onSelect: () => select(id, 'details') },
    ...(runtime === 'external'
      ? []
      : [
          {
            id: 'terminal',
            label: 'Terminal',
            icon: SquareTerminal,
            shortcut: '4',
            onSelect: () => select(id, 'terminal'),
          },
        ]),
    { id: 'schedule', label: 'Schedule', icon: CalendarClock, shortcut: '5', onSelect: () => select(id, 'schedule') },
    ...(runtime === 'external'
      ? []
      : [{ id: 'files', label: 'Files', icon: FolderOpen, shortcut: '6', onSelect: () => select(id, 'files') }]),
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
  const items: MenuItem[] = listRunActions(node).map((action) => ({
    id: action,
    label: runWord(action, status),
    icon: RUN_ICONS[action],
    onSelect: () => run(id, action),
  }));
  if (items.some((item) => item.id === 'restart'))
    items.push({
      id: 'reset',
      label: 'Restart with a clear session',
      icon: Eraser,
      onSelect: () => run(id, 'restart', { reset: true }),
    });
  if (node.runtime === 'external')
    items.push({ id: 'connect', label: 'Connect…', icon: Plug, onSelect: () => openDialog({ kind: 'connect', id }) });
  return items;
}

function listExport(node: WorkspaceNode): MenuItem {
  return { id: 'export', label: 'Export bundle', icon: Download, onSelect: () => void exportBundle(node) };
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
    [...listRuns(node).map(change), link, change(listExport(node))],
    [change(remove)],
  ];
}

/** What the palette offers beside the workspaces. */
export function listCommands(): MenuItem[] {
  const isDark = usePreferences.getState().theme !== 'light';
  const { selection, model } = useLive.getState();
  const selected = selection.id ? model.nodes[selection.id] : undefined;
  const ofSelected: MenuItem[] = selected
    ? [
        {
          id: 'why',
          label: `Why is ${selected.name} waiting?`,
          icon: Waypoints,
          shortcut: 'W',
          onSelect: () => openWhy({ workspaceId: selected.id }),
        },
      ]
    : [];
  return [
    ...ofSelected,
    { id: 'create', label: 'New workspace', icon: Plus, shortcut: 'N', onSelect: () => openDialog({ kind: 'create' }) },
    {
      id: 'import',
      label: 'Import an organisation',
      icon: FolderInput,
      onSelect: () => openDialog({ kind: 'import' }),
    },
    { id: 'import-bundle', label: 'Import a bundle', icon: FolderInput, onSelect: chooseBundles },
    {
      id: 'connect-model',
      label: 'Connect a model',
      icon: KeyRound,
      onSelect: () => openDialog({ kind: 'connect-model' }),
    },
    {
      id: 'give-model',
      label: 'Give the team a model',
      icon: Sparkle,
      onSelect: () => openDialog({ kind: 'give-model' }),
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
