// How an agent that runs elsewhere takes its seat: a token shown once, a command to paste, a line that turns to Connected.
// The token is never stored by this page.

import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../app/api.ts';
import { useWorkspace, type WorkspaceNode } from '../live/index.ts';
import { Button, CodeBlock, CopyButton, Dialog, Elapsed, StatusGlyph } from '../ui/index.ts';
import { closeDialog } from './dialog-store.ts';

/** Registers an agent that fetches its messages: it needs no address of its own. */
function writeCommand(node: WorkspaceNode, token: string): string {
  const card = JSON.stringify({ id: node.id, agent_card: { name: node.name }, delivery_mode: 'poll' });
  return [
    `curl -fsS -X POST ${location.origin}/registry/register`,
    `  -H 'authorization: Bearer ${token}'`,
    "  -H 'content-type: application/json'",
    `  -d '${card.replaceAll("'", "'\\''")}'`,
  ].join(' \\\n');
}

function TokenStep({
  token,
  onMake,
  error,
  busy,
}: {
  token: string | null;
  onMake(): void;
  error: string | null;
  busy: boolean;
}) {
  return (
    <div className="step">
      <i className={`atom ${token ? 'fill' : ''}`} />
      <div className="step-h">
        <b>{token ? 'Copy the token' : 'Make a token'}</b>
        <span className="muted">shown once</span>
      </div>
      <div className="row connect-row">
        {token ? (
          <>
            <div className="field grow">
              <span className="mono val clip grow" data-testid="fresh-token">
                {token}
              </span>
            </div>
            <CopyButton text={token} label="Copy the token" words="Copy token" look="primary" size="lg" />
          </>
        ) : (
          <Button look="primary" size="lg" busy={busy} onClick={onMake}>
            Make a token
          </Button>
        )}
      </div>
      {error ? (
        <p className="field-error" role="alert">
          {error}
        </p>
      ) : (
        <p className="hint">
          {token ? 'It cannot be shown again. A new one can be made any time.' : 'Earlier tokens stay valid.'}
        </p>
      )}
    </div>
  );
}

function ContactStep({ node, since }: { node: WorkspaceNode; since: number }) {
  const isConnected = node.status === 'online' || node.status === 'degraded';
  return (
    <div className="step" data-status={isConnected ? 'online' : 'awaiting_agent'} role="status">
      <StatusGlyph status={isConnected ? 'online' : 'awaiting_agent'} />
      <div className="step-h">
        <b className="contact">{isConnected ? 'Connected' : 'Waiting for first contact…'}</b>
        {!isConnected && (
          <span className="muted num">
            listening for <Elapsed since={since} />
          </span>
        )}
      </div>
      <p className="hint">
        {isConnected
          ? 'The agent has its seat. You can close this window.'
          : 'This line turns to “Connected” by itself. You can close the window meanwhile.'}
      </p>
    </div>
  );
}

/** @param fresh the token of a seat that was just made. */
export function ConnectDialog({ id, fresh = null }: { id: string; fresh?: string | null }) {
  const node = useWorkspace(id);
  const [since] = useState(Date.now);
  const make = useMutation({ mutationFn: () => api.createToken({ params: { id } }) });
  const token = make.data?.auth_token ?? fresh;
  if (!node) return null;
  const command = writeCommand(node, token ?? '<token>');
  return (
    <Dialog
      title={`Connect an agent to ${node.name}`}
      lead="Any agent that can run a command can take this seat, also behind a firewall."
      width={640}
      testId="connect-modal"
      onClose={closeDialog}
      footer={
        <>
          <span className="hint grow">Messages sent now wait in the inbox and are delivered on first contact.</span>
          <Button size="lg" look="line" onClick={closeDialog}>
            Close
          </Button>
        </>
      }
    >
      <div className="turn connect-steps">
        <TokenStep
          token={token}
          busy={make.isPending}
          error={make.error?.message ?? null}
          onMake={() => make.mutate()}
        />
        <div className="step">
          <i className={`atom ${token ? 'fill' : ''}`} />
          <div className="step-h">
            <b>Register it with this command</b>
          </div>
          <CodeBlock label="Command" text={command} className="wrap">
            {command}
          </CodeBlock>
        </div>
        <ContactStep node={node} since={since} />
      </div>
    </Dialog>
  );
}
