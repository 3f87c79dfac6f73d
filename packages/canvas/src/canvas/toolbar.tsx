// The toolbar: how many workspaces in which state, the connection, what to show, search, help, settings.

import { CircleHelp, List, Network, Search, Settings2, Waypoints } from 'lucide-react';
import { useMemo } from 'react';
import { setPreference, usePreferences } from '../app/preferences.ts';
import { useNarrow } from '../app/use-media.ts';
import { openDialog } from '../dialogs/dialog-store.ts';
import { type ConnectionState, useConnection, useWorkspaces, type WorkspaceNode } from '../live/index.ts';
import { Icon, IconButton, Kbd, Mark, plural, STATUSES_SHOWN, StatusGlyph, statusLabel, Tooltip } from '../ui/index.ts';
import { toggleFilter, useGraph } from './graph-state.ts';

export function Brand() {
  const view = usePreferences((state) => state.view);
  const isNarrow = useNarrow();
  const isList = view === 'list';
  return (
    <div className="island brand">
      <Mark />
      {!isNarrow && (
        <IconButton
          label={isList ? 'Show the graph' : 'Show as a list'}
          className={isList ? 'on' : ''}
          onClick={() => setPreference('view', isList ? 'graph' : 'list')}
        >
          <Icon of={isList ? Network : List} />
        </IconButton>
      )}
    </div>
  );
}

/** Workspaces per status, in the order they are shown; unknown statuses last, under their raw name. */
export function countStatuses(workspaces: readonly Pick<WorkspaceNode, 'status'>[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const { status } of workspaces) counts.set(status, (counts.get(status) ?? 0) + 1);
  const known = STATUSES_SHOWN.flatMap((status): [string, number][] => {
    const count = counts.get(status);
    counts.delete(status);
    return count ? [[status, count]] : [];
  });
  return [...known, ...counts];
}

const CONNECTION: Record<ConnectionState, { label: string; status: string }> = {
  connecting: { label: 'Connecting', status: 'provisioning' },
  live: { label: 'Live', status: 'online' },
  reconnecting: { label: 'Reconnecting', status: 'degraded' },
  offline: { label: 'Offline', status: 'failed' },
};

export function ConnectionPill() {
  const { state } = useConnection();
  const { label, status } = CONNECTION[state];
  return (
    <span className="wspill" data-status={status} data-state={state} data-testid="ws-pill" role="status">
      <i aria-hidden="true" />
      {label}
    </span>
  );
}

function Counts() {
  const workspaces = useWorkspaces();
  const filter = useGraph((state) => state.filter);
  const counts = useMemo(() => countStatuses(workspaces), [workspaces]);
  if (workspaces.length === 0) return <span className="total">No workspaces yet</span>;
  const ids = new Set(workspaces.map((each) => each.id));
  const roots = workspaces.filter((each) => !each.parent_id || !ids.has(each.parent_id)).length;
  const below = workspaces.length - roots;
  return (
    <>
      <span className="total" title={`${plural(roots, 'workspace')} with ${below} below`}>
        <span className="long">
          {plural(roots, 'workspace')}
          {below > 0 && ` + ${below} sub`}
        </span>
        <span className="short">
          {roots}
          {below > 0 && ` + ${below}`}
        </span>
      </span>
      <span className="counts">
        {counts.map(([status, count]) => (
          <Tooltip key={status} text={`${statusLabel(status)}: show only these`}>
            <button
              type="button"
              className="pill"
              aria-pressed={filter === status}
              aria-label={`${count} ${statusLabel(status).toLowerCase()}`}
              data-status={status}
              onClick={() => toggleFilter(status)}
            >
              <StatusGlyph status={status} />
              {count}
            </button>
          </Tooltip>
        ))}
      </span>
      <NeedAttention workspaces={workspaces} />
    </>
  );
}

const TROUBLE = new Set(['failed', 'degraded', 'offline']);

/** Stands for all counts where there is little room. */
function NeedAttention({ workspaces }: { workspaces: readonly WorkspaceNode[] }) {
  const count = workspaces.filter((each) => TROUBLE.has(each.status)).length;
  return (
    <span className="attention pill">
      <StatusGlyph status={count > 0 ? 'degraded' : 'online'} />
      {count > 0 ? `${count} need attention` : 'All well'}
    </span>
  );
}

export function Toolbar() {
  const showsCalls = usePreferences((state) => state.showCalls);
  return (
    <div className="toolbar-room">
      <nav className="island toolbar" data-testid="toolbar" aria-label="Toolbar">
        <Counts />
        <i className="sep" />
        <ConnectionPill />
        <i className="sep" />
        <IconButton
          label={showsCalls ? 'Hide calls between agents' : 'Show calls between agents'}
          className={showsCalls ? 'on' : ''}
          aria-pressed={showsCalls}
          onClick={() => setPreference('showCalls', !showsCalls)}
        >
          <Icon of={Waypoints} />
        </IconButton>
        <i className="sep" />
        <button type="button" className="pill search-pill" onClick={() => openDialog({ kind: 'search' })}>
          <Icon of={Search} />
          <span className="sr">Search</span>
          <Kbd keys="Mod+K" />
        </button>
        <IconButton label="Keyboard shortcuts" shortcut="?" onClick={() => openDialog({ kind: 'shortcuts' })}>
          <Icon of={CircleHelp} />
        </IconButton>
        <IconButton label="Settings" shortcut="Mod+," onClick={() => openDialog({ kind: 'settings' })}>
          <Icon of={Settings2} />
        </IconButton>
      </nav>
    </div>
  );
}
