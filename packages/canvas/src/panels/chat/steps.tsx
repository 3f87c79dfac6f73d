// Steps on the spine of a turn: the tools it used, what it delegated, why it failed.

import { Check, ChevronDown, ChevronRight, Clock, CornerDownLeft, X } from 'lucide-react';
import { useState } from 'react';
import { restart } from '../../commands/index.ts';
import { openDialog } from '../../dialogs/dialog-store.ts';
import { getWorkspace, select, useWorkspace } from '../../live/index.ts';
import {
  Button,
  DelegationIcon,
  formatAge,
  formatDuration,
  formatFull,
  formatTime,
  Icon,
  plural,
  Receipt,
  StatusGlyph,
  useFastNow,
  useSlowNow,
} from '../../ui/index.ts';
import { openWhy } from '../why/why-store.ts';
import { resendMessage } from './delivery.ts';
import type { Origin } from './origins.ts';
import type { DelegationBox, Failure, TraceStep, Turn } from './turns.ts';

export interface TraceProps {
  steps: readonly TraceStep[];
  durationMs: number | null;
  handoffs: number;
}

export function Trace({ steps, durationMs, handoffs }: TraceProps) {
  const [open, setOpen] = useState(false);
  const facts = [
    steps.length > 0 ? plural(steps.length, 'tool') : null,
    handoffs > 0 ? plural(handoffs, 'handoff') : null,
  ];
  const head = (
    <>
      <span className="soft num">{durationMs === null ? 'Worked' : `Worked ${formatDuration(durationMs)}`}</span>
      <span className="muted num">{facts.filter(Boolean).join(' · ')}</span>
    </>
  );
  return (
    <div className="step">
      <i className="atom" />
      {steps.length === 0 ? (
        <div className="step-h">{head}</div>
      ) : (
        <button type="button" className="step-h disclosure" aria-expanded={open} onClick={() => setOpen(!open)}>
          {head}
          <Icon of={open ? ChevronDown : ChevronRight} small />
        </button>
      )}
      {open && (
        <ul className="trace">
          {steps.map((step, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: the trace of a finished turn never changes
            <li key={index} title={step.output_preview}>
              <Icon of={step.ok ? Check : X} small className={step.ok ? 'ok' : 'bad'} />
              <span className="mono">{step.tool}</span>
              <span className="clip">{step.input}</span>
              <span className="t">{formatDuration(step.ms)}</span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

const SLOW_MS = 60_000;
const SHORT_ID = 8;
const STANDING: Record<string, string> = {
  pending: 'Sent',
  dispatched: 'Sent',
  queued: 'Queued at target',
  failed: 'Failed',
  stuck: 'No sign of life',
};

const isPickedUp = (box: DelegationBox) => box.status === 'in_progress' || box.pickedUpAt !== null;

function describeStanding(box: DelegationBox, nowMs: number): string {
  const tookMs = box.endedAt ? Date.parse(box.endedAt) - Date.parse(box.at) : 0;
  if (box.status === 'completed') return tookMs > 0 ? `Answered in ${formatDuration(tookMs)}` : 'Answered';
  if (box.status !== 'failed' && box.status !== 'stuck' && isPickedUp(box)) {
    const age = formatAge(nowMs - Date.parse(box.pickedUpAt ?? box.at));
    return age === 'now' ? 'Picked up' : `Picked up ${age} ago`;
  }
  return STANDING[box.status] ?? box.status;
}

export function DelegationStep({ box, callerId }: { box: DelegationBox; callerId: string }) {
  const peer = useWorkspace(box.targetId);
  const now = Math.max(useSlowNow(), Date.now());
  const isDone = box.status === 'completed';
  const hasFailed = box.status === 'failed' || box.status === 'stuck';
  const isSlow = !isDone && !hasFailed && now - Date.parse(box.at) > SLOW_MS;
  return (
    <div className="step box">
      <i className="atom fill" />
      <div className="deleg" data-testid="delegation" data-state={box.status}>
        <div className="to">
          <DelegationIcon small />
          {peer ? (
            <button type="button" className="link plain clip grow" onClick={() => select(peer.id)}>
              <b>{peer.name}</b>
            </button>
          ) : (
            <b className="clip grow" title="This workspace does not exist any more">
              {box.targetId.slice(0, SHORT_ID)}
            </b>
          )}
          <Receipt
            accepted
            pickedUp={isDone || isPickedUp(box)}
            answered={isDone}
            tone={hasFailed ? 'bad' : isSlow ? 'slow' : 'plain'}
          />
          <span className="stamp" title={formatFull(box.endedAt ?? box.at)}>
            {describeStanding(box, now)}
          </span>
        </div>
        <p className="say">
          {box.task}{' '}
          {isSlow && (
            <button
              type="button"
              className="link"
              onClick={() => openWhy({ workspaceId: callerId, delegationId: box.id })}
            >
              Why is this slow?
            </button>
          )}
        </p>
        {(box.response || box.error) && (
          <div className={`res ${hasFailed ? 'bad' : ''}`}>
            <Icon of={CornerDownLeft} small />
            <p className="grow">{box.error || box.response}</p>
          </div>
        )}
      </div>
    </div>
  );
}

/** A schedule, a channel or a webhook spoke: labelled, never the person's own words. */
export function EventStep({ origin, text, at }: { origin: Origin; text: string; at: string }) {
  return (
    <div className="step box">
      <i className="atom" />
      <div className="deleg" data-testid="bubble" data-role="event">
        <div className="to">
          <Icon of={Clock} small />
          <b className="grow clip">{origin.name}</b>
          <span className="stamp" title={formatFull(at)}>
            {origin.kind} · {formatTime(at)}
          </span>
        </div>
        <p className="say">{text}</p>
      </div>
    </div>
  );
}

function FixButton({ workspaceId, fix }: { workspaceId: string; fix: Failure['fix'] }) {
  switch (fix) {
    case 'add-key':
      return (
        <Button size="sm" look="line" onClick={() => openDialog({ kind: 'connect-model' })}>
          Add key
        </Button>
      );
    case 'budget':
      return (
        <Button size="sm" look="line" onClick={() => select(workspaceId, 'details')}>
          Raise the limit
        </Button>
      );
    case 'restart':
      return (
        <Button
          size="sm"
          look="line"
          onClick={() => restart(getWorkspace(workspaceId) ?? { id: workspaceId, name: 'The agent' })}
        >
          Restart
        </Button>
      );
    default:
      return null;
  }
}

function SendAgain({ workspaceId, turn, retryAt }: { workspaceId: string; turn: Turn; retryAt: number | null }) {
  const now = Math.max(useFastNow(), Date.now());
  const seconds = retryAt == null ? 0 : Math.max(0, Math.ceil((retryAt - now) / 1000));
  return (
    <Button size="sm" disabled={seconds > 0} onClick={() => resendMessage(workspaceId, turn.key)}>
      {seconds > 0 ? `Send again in ${seconds} s` : 'Send again'}
    </Button>
  );
}

export function FailureStep({ workspaceId, turn, failure }: { workspaceId: string; turn: Turn; failure: Failure }) {
  const status = failure.fix === 'budget' ? 'degraded' : 'failed';
  return (
    <div className="step box" data-status={status}>
      <StatusGlyph status={status} />
      <div className="deleg fail" role="alert" data-testid="bubble" data-role="error">
        <b className="fail-title">{failure.title}</b>
        <p className="say">{failure.hint}</p>
        <div className="row fail-acts">
          <FixButton workspaceId={workspaceId} fix={failure.fix} />
          {turn.user && <SendAgain workspaceId={workspaceId} turn={turn} retryAt={failure.retryAt} />}
        </div>
      </div>
    </div>
  );
}
