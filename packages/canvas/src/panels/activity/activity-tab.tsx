// What happened to a workspace, newest first: filters, live rows, and the bodies of each on demand.

import type { ActivityRow } from '@molecule/contract';
import { keepPreviousData, useQuery, useQueryClient } from '@tanstack/react-query';
import { ChevronDown, ChevronRight } from 'lucide-react';
import { Fragment, useEffect, useMemo, useState } from 'react';
import { api } from '../../app/api.ts';
import { getWorkspace, onEvent, select, useSelection, type WorkspaceNode } from '../../live/index.ts';
import { Button, formatDuration, formatFull, formatTime, Icon, Skeleton, StatusGlyph } from '../../ui/index.ts';

const FILTERS = [
  { id: 'all', label: 'All', type: undefined },
  { id: 'in', label: 'A2A in', type: 'a2a_receive' },
  { id: 'out', label: 'A2A out', type: 'a2a_send' },
  { id: 'delegation', label: 'Delegation', type: 'delegation' },
  { id: 'tasks', label: 'Tasks', type: 'task_update' },
  { id: 'logs', label: 'Logs', type: 'agent_log' },
  { id: 'errors', label: 'Errors', type: 'errors' },
] as const;

const RANGES = [
  { id: '900', label: '15 m' },
  { id: '3600', label: '1 h' },
  { id: '86400', label: '24 h' },
  { id: '604800', label: '7 d' },
] as const;

type FilterId = (typeof FILTERS)[number]['id'];
const LIMIT = 100;
const TYPE_WORDS: Record<string, string> = {
  a2a_receive: 'in',
  a2a_send: 'out',
  delegation: 'delegated',
  task_update: 'task',
  agent_log: 'log',
  error: 'error',
  memory_write: 'memory',
  skill_promotion: 'skill',
};

function peerName(id: string | null): string {
  if (!id) return 'You';
  return getWorkspace(id)?.name ?? id.slice(0, 8);
}

/** Who is on the other side of a row, seen from this workspace. */
function otherSide(row: ActivityRow, self: string): string {
  if (row.source_id === null) return row.origin ?? 'You';
  return row.source_id === self ? peerName(row.target_id) : peerName(row.source_id);
}

function statusOf(row: ActivityRow): string {
  if (row.status === 'error' || row.status === 'failed') return 'failed';
  if (row.status === 'pending' || row.status === 'queued' || row.status === 'dispatched') return 'provisioning';
  return 'online';
}

function Body({ label, value }: { label: string; value: unknown }) {
  if (value === undefined || value === null) return null;
  return (
    <div>
      <p className="h-label">{label}</p>
      <pre className="code act-code">{typeof value === 'string' ? value : JSON.stringify(value, null, 2)}</pre>
    </div>
  );
}

function Row({ row, self }: { row: ActivityRow; self: string }) {
  const [open, setOpen] = useState(false);
  return (
    <Fragment>
      <button type="button" className="act-row" aria-expanded={open} onClick={() => setOpen(!open)}>
        <StatusGlyph status={statusOf(row)} size={10} />
        <span className="tag mono">{TYPE_WORDS[row.activity_type] ?? row.activity_type}</span>
        <span className="clip grow">
          <b>{otherSide(row, self)}</b> <span className="soft">{row.summary ?? row.method}</span>
        </span>
        {row.duration_ms !== null && <span className="stamp">{formatDuration(row.duration_ms)}</span>}
        <time className="stamp" dateTime={row.created_at} title={formatFull(row.created_at)}>
          {formatTime(row.created_at)}
        </time>
        <Icon of={open ? ChevronDown : ChevronRight} small />
      </button>
      {open && (
        <div className="act-more">
          {row.error_detail && <div className="note bad">{row.error_detail}</div>}
          <Body label="Request" value={row.request_body} />
          <Body label="Response" value={row.response_body} />
          <Body label="Tools" value={row.tool_trace} />
        </div>
      )}
    </Fragment>
  );
}

export function ActivityTab({ node }: { node: WorkspaceNode }) {
  const [filter, setFilter] = useState<FilterId>('all');
  const [range, setRange] = useState<string>('86400');
  const [needle, setNeedle] = useState('');
  const { sub } = useSelection();
  const client = useQueryClient();
  const type = FILTERS.find((one) => one.id === filter)?.type;
  const key = ['activity', node.id, type, range, sub];
  const rows = useQuery({
    queryKey: key,
    placeholderData: keepPreviousData,
    queryFn: () =>
      api.listActivity({
        params: { id: node.id },
        query: {
          limit: LIMIT,
          since_secs: range,
          ...(type && type !== 'errors' ? { type } : {}),
          ...(sub ? { peer_id: sub } : {}),
        },
      }),
  });

  useEffect(
    () =>
      onEvent((frame) => {
        if (
          frame.workspace_id === node.id &&
          (frame.event === 'ACTIVITY_LOGGED' || frame.event.startsWith('DELEGATION_'))
        )
          void client.invalidateQueries({ queryKey: ['activity', node.id] });
      }),
    [client, node.id],
  );

  const shown = useMemo(() => {
    const text = needle.trim().toLowerCase();
    const wanted = (rows.data ?? []).filter((row) =>
      type === 'errors' ? row.status === 'error' || row.status === 'failed' || row.activity_type === 'error' : true,
    );
    return text
      ? wanted.filter((row) =>
          `${row.summary} ${row.method} ${otherSide(row, node.id)} ${row.error_detail ?? ''}`
            .toLowerCase()
            .includes(text),
        )
      : wanted;
  }, [rows.data, needle, type, node.id]);

  return (
    <div className="act">
      <div className="act-bar">
        <div className="seg" role="group" aria-label="Kind">
          {FILTERS.map((one) => (
            <button key={one.id} type="button" aria-pressed={filter === one.id} onClick={() => setFilter(one.id)}>
              {one.label}
            </button>
          ))}
        </div>
        <div className="row act-tools">
          <div className="field grow">
            <input
              type="search"
              aria-label="Filter by text"
              placeholder="Filter by text"
              value={needle}
              onChange={(event) => setNeedle(event.target.value)}
            />
          </div>
          <div className="seg" role="group" aria-label="Time range">
            {RANGES.map((one) => (
              <button key={one.id} type="button" aria-pressed={range === one.id} onClick={() => setRange(one.id)}>
                {one.label}
              </button>
            ))}
          </div>
        </div>
        {sub && (
          <p className="muted">
            Only with {peerName(sub)}.{' '}
            <button type="button" className="link" onClick={() => select(node.id, 'activity')}>
              Show all
            </button>
          </p>
        )}
      </div>
      {rows.isError && (
        <div className="note warn" role="alert">
          <span className="grow">
            Could not refresh. {rows.data ? `Showing ${formatTime(rows.dataUpdatedAt)}.` : rows.error.message}
          </span>
          <Button size="xs" onClick={() => void rows.refetch()}>
            Retry
          </Button>
        </div>
      )}
      <div className="act-list scroll">
        {rows.isPending &&
          !rows.isError &&
          [1, 2, 3, 4, 5].map((line) => <Skeleton key={line} width="100%" height={20} />)}
        {shown.map((row) => (
          <Row key={row.id} row={row} self={node.id} />
        ))}
        {rows.data && shown.length === 0 && (
          <div className="tab-empty">
            <p className="soft">
              {rows.data.length === 0 ? 'Nothing happened in this time.' : 'Nothing matches these filters.'}
            </p>
            <Button
              look="line"
              onClick={() => (rows.data.length === 0 ? select(node.id, 'chat') : (setFilter('all'), setNeedle('')))}
            >
              {rows.data.length === 0 ? 'Send a message' : 'Clear the filters'}
            </Button>
          </div>
        )}
      </div>
    </div>
  );
}
