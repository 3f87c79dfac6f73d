// Details of a workspace: identity, facts, budget, log, reach, and its end.

import { Trash2 } from 'lucide-react';
import { openDialog } from '../../dialogs/dialog-store.ts';
import { useConnection, type WorkspaceNode } from '../../live/index.ts';
import { Button, Icon } from '../../ui/index.ts';
import { Budget } from './budget.tsx';
import { Facts } from './facts.tsx';
import { Identity } from './identity.tsx';
import { Log } from './log.tsx';
import { Peers, Skills } from './reach.tsx';
import { Section } from './section.tsx';
import './details.css';

export function DetailsTab({ node }: { node: WorkspaceNode }) {
  const { canWrite } = useConnection();
  return (
    <div className="det-tab scroll" key={node.id}>
      <Identity node={node} />
      <Facts node={node} />
      <Budget node={node} />
      <Skills node={node} />
      <Peers node={node} />
      <Log node={node} />
      <Section title="Danger">
        <div className="row det-acts">
          <p className="grow soft">Deleting stops the agent and ends its tokens at once.</p>
          <Button
            look="danger"
            disabled={!canWrite}
            title={canWrite ? undefined : 'The platform is out of reach'}
            onClick={() => openDialog({ kind: 'delete', id: node.id })}
          >
            <Icon of={Trash2} small /> Delete…
          </Button>
        </div>
      </Section>
    </div>
  );
}
