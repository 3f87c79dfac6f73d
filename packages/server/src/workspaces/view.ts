// Rows as the wire shows them. The inbound secret never leaves this file's callers.

import type { workspaceView } from '@molecule/contract';
import type { z } from 'zod';
import type { ListedWorkspace } from './store.ts';

/** Every field of chapter 10 §1.1 except the inbound secret. */
export function toView(row: ListedWorkspace): z.input<typeof workspaceView> {
  const {
    platform_inbound_secret: _secret,
    enroll_until: _window,
    template: _template,
    hibernated_from: _prior,
    ...shown
  } = row;
  return { ...shown, awareness_namespace: `workspace:${row.id}` };
}
