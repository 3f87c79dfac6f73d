// Everything about one entry: receipts, both bodies, the tools it used, and what can be done about it.

import { TriangleAlert } from 'lucide-react';
import { lazy, type ReactNode, Suspense, useState } from 'react';
import { restart } from '../../commands/index.ts';
import { getWorkspace, select } from '../../live/index.ts';
import { Button, CopyButton, formatDuration, formatFull, Icon, JsonBlock, useSlowNow } from '../../ui/index.ts';
import { readTrace } from '../chat/a2a-shapes.ts';
import { openWhy } from '../why/why-store.ts';
import { type Entry, hasFailed } from './activity-rows.ts';
import { kindLabel, StandingMark, withWhom } from './entry-parts.tsx';
import { whyTargetOf } from './slow.ts';

const TraceDialog = lazy(() => import('./trace-dialog.tsx').then((module) => ({ default: module.TraceDialog })));

export function titleOf(entry: Entry): string {
  const whom = withWhom(entry);
  if (!whom) return kindLabel(entry.kind);
  const link = entry.kind === 'delegation' || entry.kind === 'out' ? 'to' : entry.kind === 'in' ? 'from' : 'with';
  return `${kindLabel(entry.kind)} ${link} ${whom}`;
}

function Time({ at, after }: { at: string; after?: string | undefined }) {
  const ms = after ? Date.parse(at) - Date.parse(after) : 0;
  return (
    <>
      {formatFull(at)} {ms > 0 && <span className="muted">after {formatDuration(ms)}</span>}
    </>
  );
}

function Facts({ entry }: { entry: Entry }) {
  const { row, result } = entry;
  const facts: [string, ReactNode][] = [
    ['Status', <StandingMark key="status" standing={entry.standing} />],
    [entry.standing.is === 'receipt' ? 'Accepted' : 'At', <Time key="at" at={row.accepted_at ?? row.created_at} />],
  ];
  if (row.injected_at)
    facts.push(['Picked up', <Time key="injected" at={row.injected_at} after={row.accepted_at ?? row.created_at} />]);
  if (row.answered_at) facts.push(['Answered', <Time key="answered" at={row.answered_at} after={row.created_at} />]);
  if (result) facts.push(['Ended', <Time key="result" at={result.created_at} after={row.created_at} />]);
  else if (row.duration_ms !== null) facts.push(['Took', formatDuration(row.duration_ms)]);
  if (row.method)
    facts.push([
      'Method',
      <span key="method" className="mono">
        {row.method}
      </span>,
    ]);
  return (
    <dl className="kv num">
      {facts.map(([label, value]) => (
        <div key={label} className="kv-row">
          <dt>{label}</dt>
          <dd className="row fact">{value}</dd>
        </div>
      ))}
      <div className="kv-row">
        <dt>Id</dt>
        <dd className="row fact">
          <span className="mono clip">{row.id}</span>
          <CopyButton text={row.id} label="Copy the id" />
        </dd>
      </div>
    </dl>
  );
}

function Body({ label, value }: { label: string; value: unknown }) {
  if (value === undefined || value === null) return null;
  return (
    <section>
      <h4 className="h-label">{label}</h4>
      <JsonBlock value={value} label={label} />
    </section>
  );
}

function Tools({ trace, tookMs }: { trace: unknown; tookMs: number | null }) {
  const steps = readTrace(trace);
  if (steps.length === 0) return null;
  const longest = Math.max(tookMs ?? 0, ...steps.map((step) => step.ms), 1);
  return (
    <section>
      <h4 className="h-label row">
        <span className="grow">Trace</span>
        {tookMs !== null && <span className="num">{formatDuration(tookMs)}</span>}
      </h4>
      <ul className="tw num">
        {tookMs !== null && (
          <li>
            <span className="mono clip">turn</span>
            <span className="lane">
              <i style={{ width: '100%' }} />
            </span>
            <span className="muted">{formatDuration(tookMs)}</span>
          </li>
        )}
        {steps.map((step, index) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: the trace of a finished turn never changes
          <li key={index} title={step.output_preview || step.input}>
            <span className="mono clip">{tookMs === null ? step.tool : `· ${step.tool}`}</span>
            <span className="lane">
              <i className={step.ok ? '' : 'e'} style={{ width: `${Math.max(1.5, (step.ms / longest) * 100)}%` }} />
            </span>
            <span className="muted">{formatDuration(step.ms)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function SlowNote({ entry, workspaceId }: { entry: Entry; workspaceId: string }) {
  const target = whyTargetOf(entry, workspaceId, Math.max(useSlowNow(), Date.now()));
  if (!target) return null;
  return (
    <div className="note warn" data-testid="entry-slow">
      <Icon of={TriangleAlert} small />
      <span>
        Not answered yet: still working, or stuck.{' '}
        <button type="button" className="link underlined" onClick={() => openWhy(target)}>
          See why
        </button>
      </span>
    </div>
  );
}

export function FullTrace({ entry, workspaceId }: { entry: Entry; workspaceId: string }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <Button look="line" onClick={() => setOpen(true)}>
        Full trace
      </Button>
      {isOpen && (
        <Suspense fallback={null}>
          <TraceDialog workspaceId={workspaceId} entry={entry} onClose={() => setOpen(false)} />
        </Suspense>
      )}
    </>
  );
}

function Actions({ entry, workspaceId }: { entry: Entry; workspaceId: string | undefined }) {
  const peer = entry.peerId ? getWorkspace(entry.peerId) : undefined;
  if (!peer && !workspaceId) return null;
  return (
    <div className="row det-acts-row">
      {workspaceId && <FullTrace entry={entry} workspaceId={workspaceId} />}
      {peer && (
        <Button look="line" onClick={() => select(peer.id, 'activity')}>
          Open {peer.name}
        </Button>
      )}
      {hasFailed(entry) && peer && peer.runtime !== 'external' && (
        <Button look="line" onClick={() => restart(peer)}>
          Restart it
        </Button>
      )}
    </div>
  );
}

export interface EntryDetailProps {
  entry: Entry;
  /** Whose log it is in; absent inside the full trace, which is not opened twice. */
  workspaceId?: string;
  /** Its head has the full trace already. */
  hasHead?: boolean;
}

export function EntryDetail({ entry, workspaceId, hasHead = false }: EntryDetailProps) {
  const { row, result } = entry;
  const error = row.error_detail ?? result?.error_detail;
  return (
    <div className="entry-detail">
      {error && (
        <div className="note bad">
          <Icon of={TriangleAlert} small />
          <span>{error}</span>
        </div>
      )}
      {workspaceId && <SlowNote entry={entry} workspaceId={workspaceId} />}
      <Facts entry={entry} />
      <Body label="Request" value={row.request_body} />
      <Body label="Response" value={row.response_body ?? result?.response_body} />
      <Tools trace={row.tool_trace} tookMs={row.duration_ms} />
      <Actions entry={entry} workspaceId={hasHead ? undefined : workspaceId} />
    </div>
  );
}
