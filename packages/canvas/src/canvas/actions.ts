// What a card's buttons and the list's buttons do. Every outcome is said; nothing is retried behind the person's back.

import { run } from '../commands/lifecycle.ts';
import { openDialog } from '../dialogs/dialog-store.ts';
import { getWorkspace, select } from '../live/index.ts';
import { type CardAction, findMissingKey } from './card-facts.ts';

/** @param inPanel the button stands in the panel, so a refusal does too. */
export function runCardAction(id: string, action: CardAction, inPanel = false): void {
  const node = getWorkspace(id);
  if (!node) return;
  switch (action) {
    case 'restart':
    case 'retry':
    case 'wake':
      run(id, 'restart', { inPanel });
      return;
    case 'resume':
      run(id, 'resume', { inPanel });
      return;
    case 'add-key':
      openDialog({ kind: 'connect-model', key: findMissingKey(node.last_sample_error) ?? undefined });
      return;
    case 'connect':
      openDialog({ kind: 'connect', id });
      return;
    case 'raise-limit':
      select(id, 'details');
  }
}
