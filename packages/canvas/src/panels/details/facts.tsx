// What is known about a workspace, and what its status allows to do with it.

import { RotateCcw } from 'lucide-react';
import type { ReactNode } from 'react';
import { canRestart, restart, restartWord } from '../../commands/index.ts';
import { select, useConnection, useWorkspace, type WorkspaceNode } from '../../live/index.ts';
import { Button, CopyButton, formatDuration, Icon, RelativeTime, statusLabel } from '../../ui/index.ts';
import { Section } from './section.tsx';

function RestartButton({ node }: { node: WorkspaceNode }) {
  const { canWrite } = useConnection();
  if (!canRestart(node)) return null;
  return (
    <Button
      size="sm"
      look="line"
      disabled={!canWrite}
      title={canWrite ? undefined : 'The platform is out of reach'}
      onClick={() => restart(node)}
    >
      <Icon of={RotateCcw} small /> {restartWord(node.status)}
    </Button>
  );
}

function Parent({ id }: { id: string | null }) {
  const parent = useWorkspace(id);
  if (!parent) return 'Nobody: a root';
  return (
    <button type="button" className="link" onClick={() => select(parent.id)}>
      {parent.name}
    </button>
  );
}

function Fact({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="kv-row">
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

export function Facts({ node }: { node: WorkspaceNode }) {
  return (
    <Section title="Facts" action={<RestartButton node={node} />}>
      <dl className="kv num">
        <Fact label="Status">
          {statusLabel(node.status)}, since <RelativeTime at={node.status_changed_at} />
        </Fact>
        <Fact label="Reports to">
          <Parent id={node.parent_id} />
        </Fact>
        <Fact label="Runtime">
          <span className="mono">{node.runtime}</span>
        </Fact>
        <Fact label="Delivery">{node.delivery_mode ?? 'not declared yet'}</Fact>
        <Fact label="Address">{node.url ? <span className="mono">{node.url}</span> : 'none'}</Fact>
        <Fact label="Last heartbeat">
          {node.last_heartbeat_at ? <RelativeTime at={node.last_heartbeat_at} /> : 'never'}
        </Fact>
        <Fact label="Tasks">
          {node.active_tasks} of {node.max_concurrent_tasks} at once
        </Fact>
        <Fact label="Error rate">{Math.round(node.last_error_rate * 100)} %</Fact>
        <Fact label="Uptime">{formatDuration(node.uptime_seconds * 1000)}</Fact>
        <Fact label="Id">
          <span className="row id-line">
            <span className="mono clip">{node.id}</span>
            <CopyButton text={node.id} label="Copy the id" />
          </span>
        </Fact>
      </dl>
    </Section>
  );
}
