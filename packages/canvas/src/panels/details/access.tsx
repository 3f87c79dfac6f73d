// Who may act as this workspace: its tokens, and for an agent that runs elsewhere how it connects.

import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { openDialog } from '../../dialogs/dialog-store.ts';
import { onEvent, useConnection, type WorkspaceNode } from '../../live/index.ts';
import { WorkspaceTokens } from '../../tokens/workspace-tokens.tsx';
import { Button } from '../../ui/index.ts';
import { Section } from './section.tsx';

/** How the newest token begins, when somebody rotated the credentials while this was open. */
function useRotation(id: string): string | null {
  const client = useQueryClient();
  const [prefix, setPrefix] = useState<string | null>(null);
  useEffect(
    () =>
      onEvent((frame) => {
        if (frame.event !== 'EXTERNAL_CREDENTIALS_ROTATED' || frame.workspace_id !== id) return;
        setPrefix(frame.payload.token_prefix);
        void client.invalidateQueries({ queryKey: ['tokens', id] });
      }),
    [client, id],
  );
  return prefix;
}

export function ExternalConnection({ node }: { node: WorkspaceNode }) {
  const { canWrite } = useConnection();
  const rotated = useRotation(node.id);
  if (node.runtime !== 'external') return null;
  return (
    <Section title="Connection">
      <p className="soft">An agent of your own takes this seat, from anywhere that reaches the platform.</p>
      <div className="row run-acts">
        <Button size="sm" look="line" onClick={() => openDialog({ kind: 'connect', id: node.id })}>
          Show connection info
        </Button>
        <Button
          size="sm"
          look="line"
          disabled={!canWrite}
          title={canWrite ? undefined : 'The platform is out of reach'}
          onClick={() => openDialog({ kind: 'rotate', id: node.id })}
        >
          Rotate credentials…
        </Button>
      </div>
      {rotated !== null && (
        <div className="note info" role="status">
          <span>
            The credentials were rotated just now. The new token begins with <span className="mono">{rotated}</span> and
            those before it are refused.
          </span>
        </div>
      )}
    </Section>
  );
}

export function Tokens({ node }: { node: WorkspaceNode }) {
  return (
    <Section title="Tokens">
      <WorkspaceTokens node={node} />
    </Section>
  );
}
