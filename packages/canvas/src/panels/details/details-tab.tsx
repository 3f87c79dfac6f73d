// Details of a workspace: its status and what can be done, identity, facts, cost, reach, access, logs, and its end.

import { Trash2 } from 'lucide-react';
import { openDialog } from '../../dialogs/dialog-store.ts';
import { listDescendants, useConnection, useLive, useSelection, type WorkspaceNode } from '../../live/index.ts';
import { Button, Icon } from '../../ui/index.ts';
import { ExternalConnection, Tokens } from './access.tsx';
import { Budget } from './budget.tsx';
import { Console } from './console.tsx';
import { Facts } from './facts.tsx';
import { Identity } from './identity.tsx';
import { Log } from './log.tsx';
import { Peers, Skills } from './reach.tsx';
import { Run } from './run.tsx';
import { Section } from './section.tsx';
import { Usage } from './usage.tsx';
import './details.css';

/** What a link to the logs asks for. */
export const LOG_SUB = 'log';

function Danger({ node }: { node: WorkspaceNode }) {
  const { canWrite } = useConnection();
  const below = useLive((state) => listDescendants(state.model, node.id).length);
  const why = canWrite ? undefined : 'The platform is out of reach';
  return (
    <Section title="Danger">
      {below > 0 && (
        <div className="row det-acts">
          <p className="grow soft">
            Dissolving the team removes {below === 1 ? 'the workspace' : `the ${below} workspaces`} below and keeps this
            one.
          </p>
          <Button
            look="danger"
            disabled={!canWrite}
            title={why}
            onClick={() => openDialog({ kind: 'dissolve', id: node.id })}
          >
            Dissolve…
          </Button>
        </div>
      )}
      <div className="row det-acts">
        <p className="grow soft">Deleting stops the agent and ends its tokens at once.</p>
        <Button
          look="danger"
          disabled={!canWrite}
          title={why}
          onClick={() => openDialog({ kind: 'delete', id: node.id })}
        >
          <Icon of={Trash2} small /> Delete…
        </Button>
      </div>
    </Section>
  );
}

export function DetailsTab({ node }: { node: WorkspaceNode }) {
  const { sub } = useSelection();
  const wantsLog = node.status === 'failed' || sub === LOG_SUB;
  return (
    <div className="det-tab scroll" key={node.id}>
      <Run node={node} />
      <Identity node={node} />
      <Facts node={node} />
      <Usage node={node} />
      <Budget node={node} />
      <Skills node={node} />
      <Peers node={node} />
      <ExternalConnection node={node} />
      <Tokens node={node} />
      <Log key={`log-${sub === LOG_SUB}`} node={node} open={wantsLog} scrollTo={sub === LOG_SUB} />
      <Console key={`console-${sub === LOG_SUB}`} node={node} open={wantsLog} />
      <Danger node={node} />
    </div>
  );
}
