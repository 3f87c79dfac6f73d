// What a card's buttons and the list's buttons do. Every outcome is said; nothing is retried behind the person's back.

import { readError } from '@molecule/contract';
import { api } from '../app/api.ts';
import { restart } from '../commands/index.ts';
import { openDialog } from '../dialogs/dialog-store.ts';
import { getWorkspace, select } from '../live/index.ts';
import { toast } from '../ui/index.ts';
import { type CardAction, findMissingKey } from './card-facts.ts';

async function resume(id: string): Promise<void> {
  const response = await api.raw('POST', `/workspaces/${encodeURIComponent(id)}/resume`);
  if (!response.ok) throw await readError(response);
}

export function runCardAction(id: string, action: CardAction): void {
  const node = getWorkspace(id);
  if (!node) return;
  switch (action) {
    case 'restart':
    case 'retry':
      restart(node);
      return;
    case 'resume':
      resume(id).catch((error: Error) => toast.error(`${node.name} could not be resumed: ${error.message}`));
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
