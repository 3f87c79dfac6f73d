// What is known about a workspace.

import type { ReactNode } from 'react';
import { select, useWorkspace, type WorkspaceNode } from '../../live/index.ts';
import { CopyButton, formatDuration, RelativeTime } from '../../ui/index.ts';
import { Section } from './section.tsx';

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
    <Section title="Facts">
      <dl className="kv num">
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
        {node.runtime_image_digest && (
          <Fact label="Image">
            <span className="mono clip" title={node.runtime_image_digest}>
              {node.runtime_image_digest}
            </span>
          </Fact>
        )}
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
