// What can be done with several selected workspaces at once. Failures stay selected and the bar stays with them.

import { useState } from 'react';
import { api } from '../app/api.ts';
import { getWorkspace, selectMany, useConnection, useSelection } from '../live/index.ts';
import { Button, Kbd, toast } from '../ui/index.ts';

const AT_ONCE = 4;

async function restartAll(ids: readonly string[]): Promise<string[]> {
  const queue = [...ids];
  const failed: string[] = [];
  const worker = async () => {
    for (let id = queue.shift(); id; id = queue.shift()) {
      const own = id;
      await api.restartWorkspace({ params: { id: own }, body: {} }).catch(() => void failed.push(own));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return failed;
}

export function BatchBar() {
  const { ids } = useSelection();
  const { canWrite } = useConnection();
  const [busy, setBusy] = useState(false);
  const [isRetained, setRetained] = useState(false);
  if (ids.length < 2 && !(isRetained && ids.length === 1)) return null;
  async function restart() {
    setBusy(true);
    const targets = ids.filter((id) => getWorkspace(id)?.runtime !== 'external');
    const failed = await restartAll(targets);
    setBusy(false);
    setRetained(failed.length > 0);
    if (failed.length === 0) return toast.success(`${targets.length} restarted`);
    selectMany(failed);
    toast.error(
      `${failed
        .map((id) => getWorkspace(id)?.name ?? id)
        .slice(0, 3)
        .join(', ')} could not be restarted`,
    );
  }
  return (
    <div className="batch" role="toolbar" aria-label="Selected workspaces" data-testid="batch-bar">
      <b>{ids.length} selected</b>
      <Button busy={busy} disabled={!canWrite} onClick={() => void restart()}>
        Restart
      </Button>
      <i className="sep" />
      <Button
        onClick={() => {
          setRetained(false);
          selectMany([]);
        }}
      >
        Clear <Kbd keys="Esc" />
      </Button>
    </div>
  );
}
