// Why the last thing asked of a workspace was not done, beside what asked for it; gone when the workspace moves on.

import { X } from 'lucide-react';
import { useRuns } from '../commands/lifecycle.ts';
import type { WorkspaceNode } from '../live/index.ts';
import { Button, Icon, IconButton } from '../ui/index.ts';

function forget(id: string): void {
  useRuns.setState(({ refusals: { [id]: _gone, ...refusals } }) => ({ refusals }));
}

export function RunRefusal({ node }: { node: WorkspaceNode }) {
  const refusal = useRuns((runs) => runs.refusals[node.id]);
  if (!refusal || refusal.status !== node.status) return null;
  return (
    <div className="note bad run-refusal" role="alert">
      <span className="grow">{refusal.text}</span>
      {refusal.link && (
        <Button size="sm" onClick={refusal.link.run}>
          {refusal.link.label}
        </Button>
      )}
      <IconButton small label="Dismiss" onClick={() => forget(node.id)}>
        <Icon of={X} small />
      </IconButton>
    </div>
  );
}
