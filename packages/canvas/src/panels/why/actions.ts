// What the buttons of an answer do: the commands and views that exist already, by the names the platform gives them.

import type { WhyAction } from '@molecule/contract';
import { api } from '../../app/api.ts';
import { run } from '../../commands/lifecycle.ts';
import { openDialog } from '../../dialogs/dialog-store.ts';
import { select } from '../../live/index.ts';
import { toast } from '../../ui/index.ts';
import { setTabState } from '../tab-state.ts';
import { closeWhy } from './why-store.ts';

export interface Act {
  action: WhyAction;
  workspace_id: string;
  delegation_id: string | null;
}

/** Leads away from the answer. */
function goTo(id: string, tab: Parameters<typeof select>[1]): void {
  closeWhy();
  select(id, tab);
}

/** All but `cancel`, which is asked about first, and `wait`, which is nothing. */
export function act({ action, workspace_id: id }: Act): void {
  switch (action) {
    case 'restart':
    case 'retry':
    case 'wake':
      run(id, 'restart');
      return;
    case 'resume':
      run(id, 'resume');
      return;
    case 'raise_budget':
      goTo(id, 'details');
      return;
    case 'connect':
      openDialog({ kind: 'connect', id });
      return;
    case 'open':
    case 'answer':
      goTo(id, 'chat');
      return;
    case 'show_errors':
      setTabState(`${id}.activity.filter`, 'errors');
      goTo(id, 'activity');
      return;
    default:
  }
}

/** Ends a delegation as failed. @throws the platform's refusal. */
export async function cancelDelegation(id: string, delegationId: string): Promise<void> {
  await api.updateDelegation({
    params: { id, delegationId },
    body: { status: 'failed', error: 'cancelled by a person' },
  });
  toast.success('Cancelled. Its caller is told.');
}
