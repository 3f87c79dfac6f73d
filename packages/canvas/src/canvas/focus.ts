// Where the keyboard is on the graph or the list: on a card, never nowhere.

import { useLive } from '../live/index.ts';
import { revealNode } from './camera.ts';

/** @returns false when no card of this workspace is drawn. */
export function focusNode(id: string): boolean {
  revealNode(id);
  const card = document.querySelector<HTMLElement>(`[data-node="${CSS.escape(id)}"]`);
  card?.focus({ preventScroll: true });
  return card !== null;
}

/** The card asked for, else the first one, else the page. For when what had the focus is gone. */
export function focusSomeCard(wanted: string | null): void {
  const [first] = useLive.getState().model.order;
  if (wanted && focusNode(wanted)) return;
  if (!first || !focusNode(first)) document.getElementById('main')?.focus();
}
