// The graph with its islands: mark, toolbar, legend, minimap, the button for a new workspace.

import { ReactFlowProvider } from '@xyflow/react';
import { Plus } from 'lucide-react';
import { useNarrow } from '../app/use-media.ts';
import { openDialog } from '../dialogs/dialog-store.ts';
import { useConnection, useSelection } from '../live/index.ts';
import { Button, Icon } from '../ui/index.ts';
import { BatchBar } from './batch-bar.tsx';
import { visibleCentre } from './camera.ts';
import { Graph } from './graph.tsx';
import { Legend } from './legend.tsx';
import { MinimapIsland } from './minimap.tsx';
import { PhoneBar } from './phone-bar.tsx';
import { Brand, Toolbar } from './toolbar.tsx';

export function CanvasScreen({ empty = false }: { empty?: boolean }) {
  const isNarrow = useNarrow();
  if (empty)
    return (
      <>
        <div className="dots calm" data-testid="canvas-root" />
        <Brand />
        <Toolbar />
      </>
    );
  return (
    <ReactFlowProvider>
      <main id="main" className="graph" data-testid="canvas-root" aria-label="Organisation" tabIndex={-1}>
        <Graph />
      </main>
      <Brand />
      <Toolbar />
      {!isNarrow && <Legend />}
      {!isNarrow && <NewWorkspace />}
      <MinimapIsland />
      <BatchBar />
      {isNarrow && <PhoneBar active="graph" />}
    </ReactFlowProvider>
  );
}

function NewWorkspace() {
  const { ids } = useSelection();
  const { canWrite } = useConnection();
  if (ids.length > 0) return null;
  return (
    <Button
      look="line"
      className="new-ws"
      disabled={!canWrite}
      title={canWrite ? undefined : 'The platform is out of reach'}
      onClick={() => openDialog({ kind: 'create', point: visibleCentre() })}
    >
      <Icon of={Plus} />
      New workspace
    </Button>
  );
}
