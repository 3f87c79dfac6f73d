// Cards that cannot be dragged now: starting, going to sleep, or being deleted.

import { useMemo } from 'react';
import { useShallow } from 'zustand/react/shallow';
import { useLive, type WorkspaceNode } from '../live/index.ts';

const isLocked = (node: WorkspaceNode) =>
  node.deleting || node.status === 'hibernating' || node.status === 'provisioning';

export function useLockedIds(): ReadonlySet<string> {
  const ids = useLive(
    useShallow(({ model }) => model.order.filter((id) => model.nodes[id] && isLocked(model.nodes[id]))),
  );
  return useMemo(() => new Set(ids), [ids]);
}
