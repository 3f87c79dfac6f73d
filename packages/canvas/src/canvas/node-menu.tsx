// The context menu of a card, drawn from the list of commands.

import { useMemo } from 'react';
import { listNodeMenu } from '../commands/index.ts';
import { useWorkspace } from '../live/index.ts';
import { MenuAt } from '../ui/index.ts';

export interface NodeMenuRequest {
  id: string;
  point: { x: number; y: number };
}

export function NodeMenu({ request, onClose }: { request: NodeMenuRequest; onClose(): void }) {
  const node = useWorkspace(request.id);
  const groups = useMemo(() => (node ? listNodeMenu(node) : []), [node]);
  if (!node) return null;
  return (
    <MenuAt
      groups={groups}
      point={request.point}
      label={`Actions for ${node.name}`}
      onClose={() => {
        onClose();
        document.querySelector<HTMLElement>(`[data-node="${CSS.escape(request.id)}"]`)?.focus({ preventScroll: true });
      }}
    />
  );
}
