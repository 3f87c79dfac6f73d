// How an agent that runs elsewhere takes its seat: a token shown once, a snippet to paste, a line that turns to Connected.
// The token is never stored by this page; closing before it was copied asks once.

import type { ConnectionBlock } from '@molecule/contract';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { api } from '../../app/api.ts';
import { useConnection, useWorkspace, type WorkspaceNode } from '../../live/index.ts';
import { FreshToken } from '../../tokens/fresh-token.tsx';
import { Button, ConfirmDialog, Dialog, Elapsed, Skeleton, StatusGlyph } from '../../ui/index.ts';
import { closeDialog, openDialog } from '../dialog-store.ts';
import { WaysToConnect } from './ways.tsx';
import './connect.css';

function TokenStep({ id, token, onCopied }: { id: string; token: string; onCopied(): void }) {
  const { canWrite } = useConnection();
  return (
    <div className="step">
      <i className={`atom ${token ? 'fill' : ''}`} />
      <div className="step-h">
        <b>{token ? 'Copy the token' : 'Have its token at hand'}</b>
        {token && <span className="muted">shown once</span>}
      </div>
      {token ? (
        <>
          <FreshToken token={token} onCopied={onCopied} />
          <p className="hint">Lost it later? Rotate the credentials. The old token stops at once.</p>
        </>
      ) : (
        <div className="row connect-row">
          <p className="hint grow">
            A token is shown once only, so the snippets below hold &lt;token&gt; in its place. Rotating makes a new one,
            and those before it stop at once.
          </p>
          <Button
            look="line"
            disabled={!canWrite}
            title={canWrite ? undefined : 'The platform is out of reach'}
            onClick={() => openDialog({ kind: 'rotate', id })}
          >
            Rotate…
          </Button>
        </div>
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
        <b className="contact">{isConnected ? 'Connected ✓' : 'Waiting for first contact…'}</b>
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

/** @param fresh what was given out with a token that was just made. */
export function ConnectDialog({ id, fresh }: { id: string; fresh?: ConnectionBlock | undefined }) {
  const node = useWorkspace(id);
  const [since] = useState(Date.now);
  const [isCopied, setCopied] = useState(false);
  const [isLeaving, setLeaving] = useState(false);
  const known = useQuery({
    queryKey: ['connection', id],
    enabled: !fresh,
    queryFn: () => api.getConnection({ params: { id } }),
  });
  const block = fresh ?? known.data?.connection;
  if (!node) return null;
  const copied = () => setCopied(true);
  const leave = () => (fresh?.auth_token && !isCopied ? setLeaving(true) : closeDialog());
  return (
    <Dialog
      title={`Connect an agent to ${node.name}`}
      lead="Any agent that can run a command can take this seat, also behind a firewall."
      width={760}
      testId="connect-modal"
      onClose={leave}
      footer={
        <>
          <span className="hint grow">Messages sent now wait in the inbox and are delivered on first contact.</span>
          <Button size="lg" look="line" onClick={leave}>
            Close
          </Button>
        </>
      }
    >
      <div className="turn connect-steps">
        {known.isError && (
          <div className="note bad" role="alert">
            <span className="grow">The snippets could not be read: {known.error.message}</span>
            <Button size="sm" onClick={() => void known.refetch()}>
              Retry
            </Button>
          </div>
        )}
        {!block && !known.isError && <Skeleton width="80%" />}
        {block && (
          <>
            <TokenStep id={id} token={block.auth_token} onCopied={copied} />
            <div className="step">
              <i className={`atom ${block.auth_token ? 'fill' : ''}`} />
              <div className="step-h">
                <b>Run this where the agent is</b>
              </div>
              <WaysToConnect block={block} onCopied={copied} />
            </div>
            <ContactStep node={node} since={since} />
          </>
        )}
      </div>
      {isLeaving && (
        <ConfirmDialog
          title="Close without the token?"
          lead="It was not copied and cannot be shown again. A rotation makes a new one any time."
          action="Close"
          onConfirm={() => requestAnimationFrame(closeDialog)}
          onClose={() => setLeaving(false)}
        />
      )}
    </Dialog>
  );
}
