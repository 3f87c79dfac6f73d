// What a person is told about an event beyond the graph.

import { useEffect } from 'react';
import { getWorkspace, onEvent, select } from '../live/index.ts';
import { toast } from '../ui/index.ts';

export function useProvisionToasts(): void {
  useEffect(
    () =>
      onEvent((frame) => {
        if (frame.event !== 'WORKSPACE_PROVISION_FAILED') return;
        const id = frame.workspace_id;
        // The seat itself may come in the same moment and not be drawn yet.
        const name = frame.payload.name ?? getWorkspace(id)?.name ?? 'A workspace';
        toast.error(`${name} could not start: ${frame.payload.error || 'No details reported'}`, {
          label: 'Open',
          run: () => select(id, 'details'),
        });
      }),
    [],
  );
}
