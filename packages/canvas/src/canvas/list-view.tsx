// The organisation as a tree grid: the first screen of a phone, and the accessible alternative to the graph.

import { ChevronRight, MoreHorizontal, Search } from 'lucide-react';
import { type KeyboardEvent, useMemo, useState } from 'react';
import { useNarrow } from '../app/use-media.ts';
import { listNodeMenu } from '../commands/index.ts';
import { openDialog } from '../dialogs/dialog-store.ts';
import { select, useSelection, useWorkspaces, type WorkspaceNode } from '../live/index.ts';
import {
  Button,
  Elapsed,
  Icon,
  IconButton,
  Mark,
  Menu,
  plural,
  StatusGlyph,
  statusLabel,
  useSlowNow,
} from '../ui/index.ts';
import { runCardAction } from './actions.ts';
import { readMessage } from './card-facts.ts';
import { setCollapsed } from './moves.ts';
import { PhoneBar } from './phone-bar.tsx';
import { Brand, ConnectionPill, countStatuses, Toolbar } from './toolbar.tsx';

export interface Row {
  node: WorkspaceNode;
  depth: number;
  below: number;
  /** Per level above: whether the guide goes on below this row. */
  guides: readonly boolean[];
}

/** Rows in tree order; a missing or circular parent makes a root. Folded teams hide what is below. */
export function listRows(workspaces: readonly WorkspaceNode[]): Row[] {
  const known = new Map(workspaces.map((node) => [node.id, node]));
  const children = new Map<string | null, WorkspaceNode[]>();
  for (const node of workspaces) {
    let top: string | null = node.parent_id;
    const seen = new Set([node.id]);
    while (top !== null && known.has(top) && !seen.has(top)) {
      seen.add(top);
      top = known.get(top)?.parent_id ?? null;
    }
    const parent = node.parent_id !== null && known.has(node.parent_id) && top !== node.id ? node.parent_id : null;
    children.set(parent, [...(children.get(parent) ?? []), node]);
  }
  const count = (id: string): number =>
    (children.get(id) ?? []).reduce((total, child) => total + 1 + count(child.id), 0);
  const rows: Row[] = [];
  const walk = (parent: string | null, depth: number, guides: readonly boolean[]) => {
    const list = children.get(parent) ?? [];
    for (const [at, node] of list.entries()) {
      const goesOn = depth > 0 && at < list.length - 1;
      const own = depth > 0 ? [...guides, goesOn] : [];
      rows.push({ node, depth, below: count(node.id), guides: own });
      if (!node.collapsed) walk(node.id, depth + 1, own);
    }
  };
  walk(null, 0, []);
  return rows;
}

const INDENT_PX = 22;
const FIRST_PX = 16;

function Guides({ guides }: { guides: readonly boolean[] }) {
  return guides.map((goesOn, level) => {
    const left = (level + 1) * INDENT_PX + 0.25;
    const isOwn = level === guides.length - 1;
    if (!isOwn && !goesOn) return null;
    return (
      // biome-ignore lint/suspicious/noArrayIndexKey: a guide is its level
      <span key={level} aria-hidden="true">
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
  if (message)
    return (
      <p className={`clip tone-${message.tone}`} title={message.full}>
        {message.text}
      </p>
    );
  if (node.status === 'hibernated') return <p className="clip">Asleep, wakes on message</p>;
  if (node.queue_depth > 0) return <p className="clip num">{node.queue_depth} queued</p>;
  return <p className="clip">{node.status === 'online' ? (node.role ?? 'Idle') : statusLabel(node.status)}</p>;
}

function ListRow({ row, isTabStop }: { row: Row; isTabStop: boolean }) {
  const { node, depth, below } = row;
  const { id: selected } = useSelection();
  const isNarrow = useNarrow();
  const message = readMessage(node, useSlowNow());
  return (
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
      <div className="body" role="gridcell">
        <div className="row m-name">
          <b className="clip">{node.name}</b>
          {below > 0 && <span className="muted num">{below} sub</span>}
        </div>
        <Line node={node} />
      </div>
      <div className="end" role="gridcell">
        {message?.action && (
          <Button
            look="line"
            onClick={(event) => {
              event.stopPropagation();
              if (message.action) runCardAction(node.id, message.action.id);
            }}
          >
            {message.action.label.replace('…', '')}
          </Button>
        )}
        {isNarrow ? (
          !message?.action && <Icon of={ChevronRight} />
        ) : (
          <Menu groups={listNodeMenu(node)}>
            <IconButton label={`Actions for ${node.name}`} onClick={(event) => event.stopPropagation()}>
              <Icon of={MoreHorizontal} />
            </IconButton>
          </Menu>
        )}
      </div>
    </div>
  );
}

export function ListView() {
  const workspaces = useWorkspaces();
  const { id } = useSelection();
  const isNarrow = useNarrow();
  const [filter, setFilter] = useState<string | null>(null);
  const rows = useMemo(() => listRows(workspaces), [workspaces]);
  const shown = filter === null ? rows : rows.filter((row) => row.node.status === filter);
  const tabStop = shown.find((row) => row.node.id === id)?.node.id ?? shown[0]?.node.id;

  function move(event: KeyboardEvent<HTMLDivElement>) {
    const own = event.target instanceof HTMLElement ? event.target.dataset.node : undefined;
    const at = shown.findIndex((row) => row.node.id === own);
    const row = shown[at];
    if (!row) return;
    if (event.key === 'ArrowLeft' && row.below > 0 && !row.node.collapsed) setCollapsed(row.node.id, true);
    else if (event.key === 'ArrowRight' && row.node.collapsed) setCollapsed(row.node.id, false);
    else {
      const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: shown.length - 1 }[event.key];
      const next = to === undefined ? undefined : shown[to];
      if (!next) return;
      event.currentTarget.querySelector<HTMLElement>(`[data-node="${CSS.escape(next.node.id)}"]`)?.focus();
    }
    event.preventDefault();
    event.stopPropagation();
  }

  return (
    <div className={`list-view ${isNarrow ? 'phone' : ''}`}>
      {isNarrow ? (
        <header className="m-top">
          <Mark />
          <h1 className="grow">Agents</h1>
          <ConnectionPill />
          <IconButton label="Search" onClick={() => openDialog({ kind: 'search' })}>
            <Icon of={Search} />
          </IconButton>
        </header>
      ) : (
        <>
          <Brand />
          <Toolbar />
        </>
      )}
      <div className="m-chips" role="toolbar" aria-label="Filter by status">
        <button type="button" className="m-chip" aria-pressed={filter === null} onClick={() => setFilter(null)}>
          All <span className="num">{workspaces.length}</span>
        </button>
        {countStatuses(workspaces).map(([status, count]) => (
          <button
            type="button"
            className="m-chip"
            key={status}
            aria-pressed={filter === status}
            onClick={() => setFilter(filter === status ? null : status)}
          >
            <StatusGlyph status={status} />
            {statusLabel(status)} <span className="num">{count}</span>
          </button>
        ))}
      </div>
      <main id="main" className="m-list scroll" tabIndex={-1}>
        <div
          role="treegrid"
          aria-label={`Organisation, ${plural(workspaces.length, 'workspace')}`}
          data-testid="list-view"
          onKeyDown={move}
        >
          {shown.map((row) => (
            <ListRow key={row.node.id} row={row} isTabStop={row.node.id === tabStop} />
          ))}
        </div>
        {shown.length === 0 && <p className="m-none muted">No workspace is in this state.</p>}
      </main>
      {isNarrow && <PhoneBar active="list" />}
    </div>
  );
}
