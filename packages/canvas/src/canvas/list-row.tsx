// One row of the list: status, name, the one line worth knowing, and the button that mends it.

import { ChevronRight, MoreHorizontal } from 'lucide-react';
import type { ReactNode } from 'react';
import { useNarrow } from '../app/use-media.ts';
import { listNodeMenu } from '../commands/index.ts';
import { useRuns } from '../commands/lifecycle.ts';
import { select, useSelection, type WorkspaceNode } from '../live/index.ts';
import { Button, Elapsed, Icon, IconButton, Menu, StatusGlyph, statusLabel, useSlowNow } from '../ui/index.ts';
import { runCardAction } from './actions.ts';
import { readMessage } from './card-facts.ts';
import type { Row } from './list-rows.ts';

const INDENT_PX = 22;
const FIRST_PX = 16;

function Guides({ guides }: { guides: readonly boolean[] }) {
  return guides.map((goesOn, level) => {
    const left = (level + 1) * INDENT_PX + 0.25;
    const isOwn = level === guides.length - 1;
    if (!isOwn && !goesOn) return null;
    return (
      // biome-ignore lint/suspicious/noArrayIndexKey: a guide is its level
      <span key={level} className="guides" aria-hidden="true">
        <i className="guide" style={{ left, bottom: isOwn && !goesOn ? '50%' : 0 }} />
        {isOwn && <i className="elbow" style={{ left }} />}
      </span>
    );
  });
}

function Line({ node }: { node: WorkspaceNode }) {
  const message = readMessage(node, useSlowNow());
  if (node.status === 'provisioning')
    return (
      <p className="clip">
        Starting, <Elapsed since={node.startingSince ?? node.status_changed_at} />
      </p>
    );
  if (node.status === 'hibernated') return <p className="clip">Asleep, wakes on message</p>;
  if (message && node.status !== 'awaiting_agent')
    return (
      <p className={`clip tone-${message.tone}`} title={message.full}>
        {message.text}
      </p>
    );
  if (node.queue_depth > 0) return <p className="clip num">{node.queue_depth} queued</p>;
  return <p className="clip">{node.status === 'online' ? 'Idle' : statusLabel(node.status)}</p>;
}

function Cell({ className, children }: { className: string; children: ReactNode }) {
  return (
    // biome-ignore lint/a11y/useSemanticElements lint/a11y/useFocusableInteractive: the row has the focus, and a table cell cannot be laid out as a row of a tree
    <div className={className} role="gridcell">
      {children}
    </div>
  );
}

export function ListRow({ row, isTabStop }: { row: Row; isTabStop: boolean }) {
  const { node, depth, below } = row;
  const { id: selected } = useSelection();
  const isNarrow = useNarrow();
  const action = readMessage(node, useSlowNow())?.action;
  const isBusy = useRuns((runs) => runs.busy[node.id] !== undefined);
  return (
    // biome-ignore lint/a11y/useSemanticElements: a tree grid, not a table: rows indent and fold
    <div
      className={`m-row ${node.deleting ? 'dim' : ''}`}
      role="row"
      aria-level={depth + 1}
      aria-expanded={below > 0 ? !node.collapsed : undefined}
      aria-selected={selected === node.id}
      tabIndex={isTabStop ? 0 : -1}
      data-testid={`node-${node.id}`}
      data-node={node.id}
      data-status={node.status}
      style={{ paddingLeft: FIRST_PX + depth * INDENT_PX }}
      onClick={() => select(node.id)}
      onKeyDown={(event) => {
        if (event.target !== event.currentTarget || (event.key !== 'Enter' && event.key !== ' ')) return;
        event.preventDefault();
        event.stopPropagation();
        select(node.id);
      }}
    >
      <Guides guides={row.guides} />
      <StatusGlyph status={node.status} size={14} />
      <Cell className="body">
        <div className="row m-name">
          <b className="clip" title={node.name}>
            {node.name}
          </b>
          {below > 0 && <span className="muted num">{below} sub</span>}
        </div>
        <Line node={node} />
      </Cell>
      <Cell className="end">
        {action && (
          <Button
            look="line"
            busy={isBusy}
            onClick={(event) => {
              event.stopPropagation();
              runCardAction(node.id, action.id);
            }}
          >
            {action.label.replace('…', '')}
          </Button>
        )}
        {isNarrow && !action && <Icon of={ChevronRight} />}
        {!isNarrow && (
          <Menu groups={listNodeMenu(node)}>
            <IconButton label={`Actions for ${node.name}`} onClick={(event) => event.stopPropagation()}>
              <Icon of={MoreHorizontal} />
            </IconButton>
          </Menu>
        )}
      </Cell>
    </div>
  );
}
