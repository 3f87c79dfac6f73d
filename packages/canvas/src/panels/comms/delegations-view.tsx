// Every delegation an agent handed out: what it asked whom, where it stands, for how long, and why it waits.

import { CornerDownLeft } from 'lucide-react';
import { useState } from 'react';
import { select, useWorkspace, type WorkspaceNode } from '../../live/index.ts';
import {
  Button,
  formatDuration,
  formatFull,
  formatTime,
  Icon,
  Receipt,
  Skeleton,
  StatusGlyph,
  useFastNow,
} from '../../ui/index.ts';
import { openWhy } from '../why/why-store.ts';
import type { DelegationLine } from './delegation-rows.ts';
import { useDelegations } from './use-delegations.ts';

const SHORT_ID = 8;
const SLOW_MS = 60_000;

function Age({ line }: { line: DelegationLine }) {
  const now = Math.max(useFastNow(), Date.now());
  const ms = Date.parse(line.endedAt ?? new Date(now).toISOString()) - Date.parse(line.at);
  return (
    <span title={`Handed out ${formatFull(line.at)}`}>{formatDuration(line.endedAt ? ms : Math.max(ms, 10_000))}</span>
  );
}

function Standing({ line, callerId }: { line: DelegationLine; callerId: string }) {
  const now = Math.max(useFastNow(), Date.now());
  const isOpen = !line.answered && !line.failed;
  const isSlow = isOpen && now - Date.parse(line.at) > SLOW_MS;
  return (
    <span className="row deleg-standing">
      {line.failed ? (
        <span className="stx" data-status="failed">
          <StatusGlyph status="failed" size={10} /> {line.word}
        </span>
      ) : (
        <>
          <Receipt accepted pickedUp={line.pickedUp} answered={line.answered} tone={isSlow ? 'slow' : 'plain'} />
          {line.word}
        </>
      )}
      {isOpen && (
        <button
          type="button"
          className="link"
          onClick={() => openWhy({ workspaceId: callerId, delegationId: line.id })}
        >
          Why?
        </button>
      )}
    </span>
  );
}

function Line({ line, callerId }: { line: DelegationLine; callerId: string }) {
  const peer = useWorkspace(line.peerId);
  const [isOpen, setOpen] = useState(false);
  const outcome = line.error || line.answer;
  return (
    <tr data-testid="delegation-row" data-status={line.failed ? 'failed' : undefined}>
      <td>
        {peer ? (
          <button type="button" className="link plain clip" onClick={() => select(peer.id)}>
            <b>{peer.name}</b>
          </button>
        ) : (
          <b title="This workspace does not exist any more">{line.peerId?.slice(0, SHORT_ID) ?? '—'}</b>
        )}
        <p className="muted num">
          {formatTime(line.at)} · <Age line={line} />
        </p>
      </td>
      <td>
        <p className="deleg-task">{line.task || <span className="muted">The task is not listed any more.</span>}</p>
        {outcome && (
          <button
            type="button"
            className={`row deleg-outcome ${line.error ? 'bad' : ''} ${isOpen ? '' : 'cut'}`}
            aria-expanded={isOpen}
            onClick={() => setOpen(!isOpen)}
          >
            <Icon of={CornerDownLeft} small />
            <span>{outcome}</span>
          </button>
        )}
        <Standing line={line} callerId={callerId} />
      </td>
    </tr>
  );
}

export function DelegationsView({ node }: { node: WorkspaceNode }) {
  const { query: rows, lines } = useDelegations(node.id);
  return (
    <div className="talks scroll">
      {rows.isError && (
        <div className="note warn" role="alert">
          <span className="grow">
            Could not refresh. {rows.data ? `Showing ${formatTime(rows.dataUpdatedAt)}.` : rows.error.message}
          </span>
          <Button size="sm" onClick={() => void rows.refetch()}>
            Retry
          </Button>
        </div>
      )}
      {rows.isPending && <Skeleton width="70%" />}
      {rows.data && lines.length === 0 && (
        <div className="tab-empty">
          <p>{node.name} has handed out nothing yet.</p>
        </div>
      )}
      {lines.length > 0 && (
        <table className="deleg-table">
          <thead>
            <tr>
              <th scope="col">To</th>
              <th scope="col">Task</th>
            </tr>
          </thead>
          <tbody>
            {lines.map((line) => (
              <Line key={line.id} line={line} callerId={node.id} />
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}
