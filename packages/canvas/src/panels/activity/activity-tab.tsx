// What happened to a workspace, newest first: filters, live rows, and all there is about each of them.

import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { RefreshCw, Search } from 'lucide-react';
import { useMemo } from 'react';
import { api } from '../../app/api.ts';
import { useMiddling } from '../../app/use-media.ts';
import { getWorkspace, select, useSelection, type WorkspaceNode } from '../../live/index.ts';
import { Button, formatTime, Icon, plural, Skeleton, StatusGlyph, Switch, useSlowNow } from '../../ui/index.ts';
import { usePanelSize } from '../panel-size.ts';
import { useTabState } from '../tab-state.ts';
import { useActivityRefresh } from '../use-activity-refresh.ts';
import { bucketEntries, type Entry, hasFailed, listEntries } from './activity-rows.ts';
import { EntryAside, EntryRows, EntryTable } from './entry-list.tsx';
import { withWhom } from './entry-parts.tsx';
import { Histogram } from './histogram.tsx';
import { TimeRange } from './time-range.tsx';
import './activity.css';

const FILTERS = [
  { id: 'all', label: 'All', type: undefined },
  { id: 'in', label: 'A2A in', type: 'a2a_receive' },
  { id: 'out', label: 'A2A out', type: 'a2a_send' },
  { id: 'delegation', label: 'Delegation', type: 'delegation' },
  { id: 'tasks', label: 'Tasks', type: 'task_update' },
  { id: 'skills', label: 'Skills', type: 'skill_promotion' },
  { id: 'logs', label: 'Logs', type: 'agent_log' },
  { id: 'schedules', label: 'Schedules', type: 'cron_run' },
] as const;
type FilterId = (typeof FILTERS)[number]['id'] | 'errors';

const PAGE = 100;
const MOST = 500;
const REFRESH_MS = 5_000;

function useRows(node: WorkspaceNode, type: string | undefined, seconds: number, limit: number, isLive: boolean) {
  const { sub: peer } = useSelection();
  useActivityRefresh('activity', node.id, isLive);
  return useQuery({
    queryKey: ['activity', node.id, type, seconds, limit, peer],
    placeholderData: keepPreviousData,
    refetchOnMount: 'always',
    refetchInterval: isLive ? REFRESH_MS : false,
    queryFn: ({ signal }) =>
      api.listActivity({
        params: { id: node.id },
        query: { limit, since_secs: seconds, ...(type ? { type } : {}), ...(peer ? { peer_id: peer } : {}) },
        signal,
      }),
  });
}

function matches(entry: Entry, needle: string): boolean {
  return `${entry.summary} ${entry.row.method} ${withWhom(entry)} ${entry.row.error_detail ?? ''}`
    .toLowerCase()
    .includes(needle);
}

export function ActivityTab({ node }: { node: WorkspaceNode }) {
  const [filter, setFilter] = useTabState<FilterId>(`${node.id}.activity.filter`, 'all');
  const [seconds, setSeconds] = useTabState<number>(`${node.id}.activity.range`, 86_400);
  const [needle, setNeedle] = useTabState(`${node.id}.activity.text`, '');
  const [openId, setOpenId] = useTabState<string | null>(`${node.id}.activity.open`, null);
  const [limit, setLimit] = useTabState(`${node.id}.activity.limit`, PAGE);
  const [isLive, setLive] = useTabState('activity.live', true);
  const { sub: peer } = useSelection();
  const isMiddling = useMiddling();
  const isWide = usePanelSize((state) => state.full) && !isMiddling;
  const now = useSlowNow();
  const type = FILTERS.find((one) => one.id === filter)?.type;
  const rows = useRows(node, type, seconds, limit, isLive);

  const entries = useMemo(() => listEntries(rows.data ?? [], node.id), [rows.data, node.id]);
  const failures = entries.filter(hasFailed).length;
  const shown = useMemo(() => {
    const text = needle.trim().toLowerCase();
    return entries.filter((entry) => (filter !== 'errors' || hasFailed(entry)) && (!text || matches(entry, text)));
  }, [entries, filter, needle]);
  const List = isWide ? EntryTable : EntryRows;

  const clearFilters = () => {
    setFilter('all');
    setNeedle('');
  };
  const end = (
    <>
      {rows.isPending && !rows.isError && <RowSkeletons />}
      {rows.data && shown.length === 0 && (
        <Nothing isFiltered={entries.length > 0} onClear={clearFilters} node={node} />
      )}
      {rows.data && rows.data.length >= limit && (
        <div className="act-end">
          <span className="muted">The newest {limit} rows of this time.</span>
          {limit < MOST && (
            <Button size="sm" look="line" onClick={() => setLimit(MOST)}>
              Show {MOST}
            </Button>
          )}
        </div>
      )}
    </>
  );

  return (
    <div className={`act ${isWide ? 'wide' : ''}`}>
      <div className="act-main-col">
        <div className="act-top">
          <div className="chips" role="toolbar" aria-label="Kind">
            {FILTERS.map((one) => (
              <button
                key={one.id}
                type="button"
                className="chipf"
                aria-pressed={filter === one.id}
                onClick={() => setFilter(one.id)}
              >
                {one.label}
              </button>
            ))}
            <button
              type="button"
              className="chipf errs"
              data-status="failed"
              aria-pressed={filter === 'errors'}
              onClick={() => setFilter(filter === 'errors' ? 'all' : 'errors')}
            >
              <StatusGlyph status="failed" />
              Errors <span className="num">{failures}</span>
            </button>
          </div>
          <span className="grow" />
          <span className="row act-live">
            <Icon of={RefreshCw} small />
            Live
            <Switch label="Follow live" checked={isLive} onChange={setLive} />
          </span>
        </div>
        <div className="act-tools">
          <div className="field act-search">
            <Icon of={Search} small />
            <input
              type="search"
              aria-label="Filter these rows"
              placeholder="Filter these rows"
              value={needle}
              onChange={(event) => setNeedle(event.target.value)}
            />
          </div>
          <span className="muted num act-count">
            {plural(entries.length, 'row')} · {plural(failures, 'error')}
          </span>
          <TimeRange seconds={seconds} onChange={setSeconds} />
        </div>
        {isWide && (
          <Histogram
            buckets={bucketEntries(shown, seconds * 1000, Math.max(now, rows.dataUpdatedAt))}
            rangeMs={seconds * 1000}
          />
        )}
        {peer && <PeerNote peer={peer} node={node} />}
        {rows.isError && (
          <div className="note warn act-note" role="alert">
            <span className="grow">
              Could not refresh. {rows.data ? `Showing ${formatTime(rows.dataUpdatedAt)}.` : rows.error.message}
            </span>
            <Button size="sm" onClick={() => void rows.refetch()}>
              Retry
            </Button>
          </div>
        )}
        <List workspaceId={node.id} entries={shown} openId={openId} onOpen={setOpenId} end={end} />
      </div>
      {isWide && (
        <EntryAside
          workspaceId={node.id}
          entry={shown.find((one) => one.row.id === openId)}
          onClose={() => setOpenId(null)}
        />
      )}
    </div>
  );
}

function PeerNote({ peer, node }: { peer: string; node: WorkspaceNode }) {
  return (
    <p className="muted act-note">
      Only with {getWorkspace(peer)?.name ?? 'a removed workspace'}.{' '}
      <button type="button" className="link" onClick={() => select(node.id, 'activity')}>
        Show all
      </button>
    </p>
  );
}

function RowSkeletons() {
  return [1, 2, 3, 4, 5].map((line) => <Skeleton key={line} width="100%" height={20} />);
}

function Nothing({ isFiltered, onClear, node }: { isFiltered: boolean; onClear(): void; node: WorkspaceNode }) {
  return (
    <div className="tab-empty">
      <p>{isFiltered ? 'Nothing matches these filters.' : 'Calls and tasks appear here as they happen.'}</p>
      {isFiltered ? (
        <Button look="line" size="sm" onClick={onClear}>
          Clear the filters
        </Button>
      ) : (
        <Button look="line" size="sm" onClick={() => select(node.id, 'chat')}>
          Send a message
        </Button>
      )}
    </div>
  );
}
