// The state of the organisation in one sentence, for people who cannot see the graph.

import { useWorkspaces } from '../live/index.ts';
import { plural, STATUSES_BY_WEIGHT, statusLabel } from '../ui/index.ts';

export function LiveCount() {
  const workspaces = useWorkspaces();
  const parts = STATUSES_BY_WEIGHT.flatMap((status) => {
    const count = workspaces.filter((each) => each.status === status).length;
    return count > 0 ? [`${count} ${statusLabel(status).toLowerCase()}`] : [];
  });
  return (
    <p className="sr" role="status" aria-live="polite">
      {[plural(workspaces.length, 'workspace'), ...parts].join(', ')}
    </p>
  );
}
