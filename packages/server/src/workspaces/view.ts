// Rows as the wire shows them. The inbound secret never leaves this file's callers.

import type { WorkspaceView } from '@molecule/contract';
import type { ListedWorkspace } from './store.ts';

type Sent<T> = { [K in keyof T]: T[K] extends string | null ? T[K] | Date : T[K] };

/** Every field of chapter 10 §1.1 except the inbound secret. */
export function toView(row: ListedWorkspace): Sent<WorkspaceView> {
  const { platform_inbound_secret: _secret, enroll_until: _window, template: _template, ...shown } = row;
  return { ...shown, awareness_namespace: `workspace:${row.id}` } as unknown as Sent<WorkspaceView>;
}
