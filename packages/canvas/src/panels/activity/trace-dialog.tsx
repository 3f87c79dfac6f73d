// The full trace of one entry: what every workspace of its organisation logged, as one story. Read when it is opened.

import type { ActivityRow } from '@molecule/contract';
import { useQuery } from '@tanstack/react-query';
import { ChevronDown, ChevronRight } from 'lucide-react';
import { useEffect, useMemo, useRef, useState } from 'react';
import { api } from '../../app/api.ts';
import { getWorkspace, listDescendants, useLive } from '../../live/index.ts';
import { Button, Dialog, formatFull, formatTimeExact, Icon, plural, Skeleton } from '../../ui/index.ts';
import type { Entry } from './activity-rows.ts';
import { EntryDetail, titleOf } from './entry-detail.tsx';
import { KindIcon, kindLabel, StandingMark, withWhom } from './entry-parts.tsx';
import { mergeTrace, type TraceLine } from './trace.ts';
import './trace.css';

const ROWS_EACH = 200;
const AT_ONCE = 4;

interface Logs {
  rows: ReadonlyMap<string, readonly ActivityRow[]>;
  failed: readonly string[];
}

/** Everyone under the same root. */
function listOrganisation(id: string): string[] {
  const { model } = useLive.getState();
  let root = id;
  const seen = new Set([root]);
  for (let parent = model.nodes[root]?.parent_id; parent && model.nodes[parent] && !seen.has(parent); ) {
    root = parent;
    seen.add(root);
    parent = model.nodes[root]?.parent_id;
  }
  return [root, ...listDescendants(model, root)];
}

/** One log that cannot be read takes nothing from the others; it is named. */
async function readLogs(ids: readonly string[], signal: AbortSignal): Promise<Logs> {
  const queue = [...ids];
  const rows = new Map<string, readonly ActivityRow[]>();
  const failed: string[] = [];
  const worker = async () => {
    for (let id = queue.shift(); id; id = queue.shift()) {
      try {
        rows.set(id, await api.listActivity({ params: { id }, query: { limit: ROWS_EACH }, signal }));
      } catch (error) {
        if (signal.aborted) throw error;
        failed.push(id);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return { rows, failed };
}

const nameOf = (id: string) => getWorkspace(id)?.name ?? 'a removed workspace';

function Line({ line, isOpen, onToggle }: { line: TraceLine; isOpen: boolean; onToggle(): void }) {
  const { entry, ownerId, isPart } = line;
  const whom = withWhom(entry);
  return (
    <li className={`trace-row ${isPart ? 'part' : ''}`} data-testid="trace-row" data-part={isPart || undefined}>
      <button type="button" className="trace-line" aria-expanded={isOpen} onClick={onToggle}>
        <time className="stamp" dateTime={entry.row.created_at} title={formatFull(entry.row.created_at)}>
          {formatTimeExact(entry.row.created_at)}
        </time>
        <KindIcon kind={entry.kind} />
        <span className="trace-who">
          <b className="clip">{nameOf(ownerId)}</b>
          <span className="muted clip">
            {kindLabel(entry.kind)}
            {whom && ` · ${whom}`}
          </span>
        </span>
        <span className="clip trace-sum" title={entry.summary}>
          {entry.summary}
        </span>
        <span className="row act-standing">
          <StandingMark standing={entry.standing} />
        </span>
        <Icon of={isOpen ? ChevronDown : ChevronRight} small />
      </button>
      {isOpen && <EntryDetail entry={entry} />}
    </li>
  );
}

export function TraceDialog({ workspaceId, entry, onClose }: { workspaceId: string; entry: Entry; onClose(): void }) {
  const logs = useQuery({
    queryKey: ['trace', workspaceId],
    queryFn: ({ signal }) => readLogs(listOrganisation(workspaceId), signal),
  });
  const [openId, setOpenId] = useState<string | null>(null);
  const [onlyPart, setOnlyPart] = useState(false);
  const list = useRef<HTMLOListElement>(null);
  const lines = useMemo(() => (logs.data ? mergeTrace(logs.data.rows, entry.row) : []), [logs.data, entry.row]);
  const part = lines.filter((line) => line.isPart);
  useEffect(() => {
    if (logs.data) list.current?.querySelector('.part')?.scrollIntoView({ block: 'center' });
  }, [logs.data]);
  return (
    <Dialog
      title="Full trace"
      lead={`${titleOf(entry)}: what the whole organisation logged around it, oldest first.`}
      width={980}
      testId="full-trace"
      onClose={onClose}
    >
      <div className="row trace-bar">
        <span className="muted num grow">
          {plural(lines.length, 'row')}, {part.length} of this conversation
        </span>
        <Button size="sm" aria-pressed={onlyPart} onClick={() => setOnlyPart(!onlyPart)}>
          {onlyPart ? 'Show everything' : 'Only this conversation'}
        </Button>
      </div>
      {logs.data && logs.data.failed.length > 0 && (
        <div className="note warn trace-note" role="alert">
          <span className="grow">Not read: {logs.data.failed.map(nameOf).join(', ')}.</span>
          <Button size="sm" onClick={() => void logs.refetch()}>
            Retry
          </Button>
        </div>
      )}
      {logs.isPending && <Skeleton width="100%" height={160} />}
      {logs.isError && (
        <div className="note bad" role="alert">
          {logs.error.message}
        </div>
      )}
      <ol className="trace-list" ref={list}>
        {(onlyPart ? part : lines).map((line) => (
          <Line
            key={line.entry.row.id}
            line={line}
            isOpen={openId === line.entry.row.id}
            onToggle={() => setOpenId(openId === line.entry.row.id ? null : line.entry.row.id)}
          />
        ))}
      </ol>
    </Dialog>
  );
}
