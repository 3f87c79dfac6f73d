// What is being asked "why is it stuck" about. Any part of the canvas asks; the side then shows the answer instead of the panel.

import { create } from 'zustand';
import { select, useLive } from '../../live/index.ts';

export interface WhyTarget {
  /** The workspace asked about: the one that waits, or the one a message was sent to. */
  workspaceId: string;
  /** At most one: a delegation of the workspace, a queue item or a message to it. */
  delegationId?: string;
  queueId?: string;
  messageId?: string;
}

export const useWhy = create<{ target: WhyTarget | null }>(() => ({ target: null }));

/** Selects the workspace, too: what closes the answer leads back to its panel. */
export function openWhy(target: WhyTarget): void {
  if (useLive.getState().selection.id !== target.workspaceId) select(target.workspaceId);
  useWhy.setState({ target });
}

export function closeWhy(): void {
  useWhy.setState({ target: null });
}

// Who turns to something else has left the question.
useLive.subscribe(({ selection }, before) => {
  const { target } = useWhy.getState();
  if (target && selection !== before.selection && selection.id !== target.workspaceId) closeWhy();
});
