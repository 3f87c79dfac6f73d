// The organisation as a tree grid: the first screen of a phone, and the accessible alternative to the graph.

import { Search } from 'lucide-react';
import { type KeyboardEvent, type MouseEvent, useMemo, useState } from 'react';
import { useNarrow } from '../app/use-media.ts';
import { openDialog } from '../dialogs/dialog-store.ts';
import { useSelection, useWorkspaces } from '../live/index.ts';
import { Icon, IconButton, Mark, plural, StatusGlyph, statusLabel } from '../ui/index.ts';
import { ListRow } from './list-row.tsx';
import { filterRows, listRows, type Row } from './list-rows.ts';
import { setCollapsed } from './moves.ts';
import { NodeMenu, type NodeMenuRequest } from './node-menu.tsx';
import { PhoneBar } from './phone-bar.tsx';
import { Brand, ConnectionPill, countStatuses, Toolbar } from './toolbar.tsx';

/** Arrows move between rows; left and right fold a team. */
function moveBetween(rows: readonly Row[], event: KeyboardEvent<HTMLDivElement>): void {
  const own = event.target instanceof HTMLElement ? event.target.dataset.node : undefined;
  const at = rows.findIndex((row) => row.node.id === own);
  const row = rows[at];
  if (!row) return;
  if (event.key === 'ArrowLeft' && row.below > 0 && !row.node.collapsed) setCollapsed(row.node.id, true);
  else if (event.key === 'ArrowRight' && row.node.collapsed) setCollapsed(row.node.id, false);
  else {
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
    const next = to === undefined ? undefined : rows[to];
    if (!next) return;
    event.currentTarget.querySelector<HTMLElement>(`[data-node="${CSS.escape(next.node.id)}"]`)?.focus();
  }
  event.preventDefault();
  event.stopPropagation();
}

function PhoneTop() {
  return (
    <header className="m-top">
      <Mark />
      <h1 className="grow">Agents</h1>
      <ConnectionPill />
      <IconButton label="Search" onClick={() => openDialog({ kind: 'search' })}>
        <Icon of={Search} />
      </IconButton>
    </header>
  );
}

export function ListView() {
  const workspaces = useWorkspaces();
  const { id } = useSelection();
  const isNarrow = useNarrow();
  const [filter, setFilter] = useState<string | null>(null);
  const rows = useMemo(
    () => (filter === null ? listRows(workspaces) : filterRows(workspaces, filter)),
    [workspaces, filter],
  );
  const [menu, setMenu] = useState<NodeMenuRequest | null>(null);
  function openMenu(event: MouseEvent<HTMLDivElement>) {
    const row = event.target instanceof Element ? event.target.closest<HTMLElement>('[data-node]') : null;
    if (!row?.dataset.node) return;
    event.preventDefault();
    setMenu({ id: row.dataset.node, point: { x: event.clientX, y: event.clientY } });
  }
  const tabStop = rows.find((row) => row.node.id === id)?.node.id ?? rows[0]?.node.id;

  return (
    <div className={`list-view ${isNarrow ? 'phone' : ''}`}>
      {isNarrow ? (
        <PhoneTop />
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
          onKeyDown={(event) => moveBetween(rows, event)}
          onContextMenu={openMenu}
        >
          {rows.map((row) => (
            <ListRow key={row.node.id} row={row} isTabStop={row.node.id === tabStop} />
          ))}
        </div>
        {rows.length === 0 && <p className="m-none muted">No workspace is in this state.</p>}
      </main>
      {menu && <NodeMenu request={menu} onClose={() => setMenu(null)} />}
      {isNarrow && <PhoneBar active="list" />}
    </div>
  );
}
