// The keyboard map (spec chapter 50 §11.1). Ignored while typing and while a dialog or a menu is open.

import { useEffect } from 'react';
import { fitAll, resetZoom, visibleCentre, zoomToNode } from '../canvas/camera.ts';
import { focusNode, focusSomeCard } from '../canvas/focus.ts';
import { useGraph } from '../canvas/graph-state.ts';
import type { Box, Layout } from '../canvas/layout.ts';
import { openDialog, useDialogs } from '../dialogs/dialog-store.ts';
import { PANEL_TABS, select, selectMany, useLive } from '../live/index.ts';
import { setPanelFull, usePanelSize } from '../panels/panel-size.ts';
import { closeWhy, openWhy, useWhy } from '../panels/why/why-store.ts';

/** What `?` lists. */
export const SHORTCUTS: readonly { keys: string; does: string }[] = [
  { keys: 'Mod+K', does: 'Search and commands' },
  { keys: 'Mod+,', does: 'Settings' },
  { keys: 'N', does: 'New workspace' },
  { keys: 'Del', does: 'Delete the selected workspace' },
  { keys: '/', does: 'Write to the selected workspace' },
  { keys: '1 … 6', does: 'Chat, Activity, Details, Terminal, Schedule, Files' },
  { keys: 'W', does: 'Why is the selected workspace waiting?' },
  { keys: '← ↑ → ↓', does: 'Move between workspaces' },
  { keys: 'Enter', does: 'Select; again: first one below' },
  { keys: 'Shift+Enter', does: 'The one above' },
  { keys: 'Shift+F10', does: 'Actions of a workspace' },
  { keys: 'Z', does: 'Zoom to the selected team' },
  { keys: 'F', does: 'Fit everything' },
  { keys: '0', does: 'Zoom 100 %' },
  { keys: 'Mod+A', does: 'Select all' },
  { keys: 'Esc', does: 'Close, clear, or cancel a drag' },
  { keys: 'Shift+Esc', does: 'Leave the terminal' },
];

export function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.closest('input, textarea, select, [contenteditable=true]') !== null;
}

const DIRECTIONS: Record<string, { x: number; y: number }> = {
  ArrowLeft: { x: -1, y: 0 },
  ArrowRight: { x: 1, y: 0 },
  ArrowUp: { x: 0, y: -1 },
  ArrowDown: { x: 0, y: 1 },
};

/** The head of a card: what the eye follows. */
const headOf = (box: Box) => ({ x: box.x + box.width / 2, y: box.y + Math.min(box.height, 112) / 2 });

/** The nearest card that lies in a direction; sideways distance counts double. */
export function findNeighbour(layout: Layout, from: string, key: string): string | null {
  const own = layout.byId.get(from);
  const direction = DIRECTIONS[key];
  if (!own || !direction) return null;
  const start = headOf(own);
  let best: { id: string; cost: number } | null = null;
  for (const box of layout.boxes) {
    if (box.id === from || box.hidden) continue;
    const at = headOf(box);
    const along = (at.x - start.x) * direction.x + (at.y - start.y) * direction.y;
    if (along <= 8) continue;
    const aside = Math.abs((at.x - start.x) * direction.y) + Math.abs((at.y - start.y) * direction.x);
    const cost = along + aside * 2;
    if (!best || cost < best.cost) best = { id: box.id, cost };
  }
  return best?.id ?? null;
}

function moveBy(key: string): void {
  const { selection, model } = useLive.getState();
  const { layout } = useGraph.getState();
  const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.node : undefined;
  const from = focused ?? selection.id ?? model.order[0];
  if (!from) return;
  const to = focused || selection.id ? findNeighbour(layout, from, key) : from;
  if (!to) return;
  if (selection.id) select(to);
  focusNode(to);
}

/** Esc in a field goes back to the card it is about; once more closes the panel. */
function leaveField(): void {
  focusSomeCard(useLive.getState().selection.id);
}

/** Esc closes the top-most thing; dialogs, menus and drags take it before it comes here. */
function closeTopmost(): void {
  const { selection } = useLive.getState();
  if (useWhy.getState().target) {
    closeWhy();
    return;
  }
  if (usePanelSize.getState().full) {
    setPanelFull(false);
    return;
  }
  if (selection.ids.length === 0 && selection.id === null) {
    useGraph.setState({ filter: null });
    return;
  }
  const id = selection.id;
  select(null);
  if (id) focusNode(id);
}

function openNodeMenu(): boolean {
  const element = document.activeElement;
  if (!(element instanceof HTMLElement) || !element.dataset.node) return false;
  const box = element.getBoundingClientRect();
  element.dispatchEvent(
    new MouseEvent('contextmenu', { bubbles: true, cancelable: true, clientX: box.left + 24, clientY: box.top + 28 }),
  );
  return true;
}

function runPlain(event: KeyboardEvent): boolean {
  const { selection, model } = useLive.getState();
  const { layout } = useGraph.getState();
  const id = selection.id;
  switch (event.key) {
    case 'Escape':
      closeTopmost();
      return true;
    case 'ArrowLeft':
    case 'ArrowRight':
    case 'ArrowUp':
    case 'ArrowDown':
      moveBy(event.key);
      return true;
    case 'Enter': {
      if (!id) return false;
      const to = event.shiftKey ? model.nodes[id]?.parent_id : layout.byId.get(id)?.children[0];
      if (!to || !model.nodes[to]) return false;
      select(to);
      focusNode(to);
      return true;
    }
    case 'ContextMenu':
      return openNodeMenu();
    case 'F10':
      return event.shiftKey && openNodeMenu();
    case 'Delete':
    case 'Backspace':
      if (!id) return false;
      openDialog({ kind: 'delete', id });
      return true;
    case '?':
      openDialog({ kind: 'shortcuts' });
      return true;
    case '/':
      if (!id) return false;
      select(id, 'chat');
      requestAnimationFrame(() => document.querySelector<HTMLElement>('[data-testid="composer"]')?.focus());
      return true;
    case 'n':
      openDialog({ kind: 'create', point: visibleCentre() });
      return true;
    case 'z':
      if (id) zoomToNode(id);
      return id !== null;
    case 'w':
      if (id) openWhy({ workspaceId: id });
      return id !== null;
    case 'f':
      fitAll();
      return true;
    case '0':
      resetZoom();
      return true;
    default: {
      const tab = PANEL_TABS[Number(event.key) - 1];
      if (!tab || !id) return false;
      select(id, tab);
      return true;
    }
  }
}

function runWithModifier(event: KeyboardEvent): boolean {
  switch (event.key.toLowerCase()) {
    case 'k':
      openDialog({ kind: 'search' });
      return true;
    case ',':
      openDialog({ kind: 'settings' });
      return true;
    case 'a':
      if (isTyping(event.target)) return false;
      selectMany(useLive.getState().model.order);
      return true;
    default:
      return false;
  }
}

export function useKeyboard(): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.isComposing) return;
      if (useDialogs.getState().open !== null || document.querySelector('[role=dialog], [role=menu]')) return;
      const hasModifier = event.metaKey || event.ctrlKey;
      if (event.key === 'Escape' && isTyping(event.target)) {
        leaveField();
        event.preventDefault();
        return;
      }
      if (!hasModifier && (isTyping(event.target) || event.altKey)) return;
      const isOnControl =
        event.target instanceof HTMLElement &&
        event.target.closest('button, a, [role=tab]') &&
        !event.target.dataset.node;
      if (isOnControl && (event.key === 'Enter' || event.key === ' ' || event.key.startsWith('Arrow'))) return;
      if (hasModifier ? runWithModifier(event) : runPlain(event)) event.preventDefault();
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, []);
}
