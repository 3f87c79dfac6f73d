// One turn of a conversation: what the person said, the steps on the spine, the reply, and the one thing to do when it failed.

import { Check, ChevronDown, ChevronRight, CornerDownLeft, FileText, X } from 'lucide-react';
import { memo, useState } from 'react';
import { api } from '../../app/api.ts';
import { openDialog } from '../../dialogs/dialog-store.ts';
import { select, useWorkspace } from '../../live/index.ts';
import {
  Button,
  DelegationIcon,
  formatBytes,
  formatDuration,
  formatFull,
  formatTime,
  Icon,
  Receipt,
  StatusGlyph,
  useFastNow,
} from '../../ui/index.ts';
import { resendMessage } from './conversations.ts';
import { Markdown } from './markdown.tsx';
import type { ChatFile, DelegationBox, TraceStep, Turn, TurnState } from './model.ts';

const PREVIEWED_ROOTS = /^\/(configs|workspace|home|plugins)\//;

/** The path behind a file address; null for what only the web or another store holds. */
export function agentPathOf(uri: string): string | null {
  const path = uri.replace(/^workspace:/, '').replace(/^file:\/\//, '');
  return PREVIEWED_ROOTS.test(path) ? path : null;
}

function FileChip({ workspaceId, file }: { workspaceId: string; file: ChatFile }) {
  const path = agentPathOf(file.uri);
  const size = file.size === undefined ? null : <span className="muted">{formatBytes(file.size)}</span>;
  const inside = (
    <>
      <Icon of={FileText} small /> {file.name} {size}
    </>
  );
  if (path) {
    return (
      <a
        className="file"
        download={file.name}
        href={`/workspaces/${workspaceId}/chat/download?path=${encodeURIComponent(path)}`}
      >
        {inside}
      </a>
    );
  }
  if (/^https?:/.test(file.uri)) {
    return (
      <a className="file" href={file.uri} target="_blank" rel="noopener noreferrer">
        {inside}
      </a>
    );
  }
  return <span className="file">{inside}</span>;
}

function Trace({ steps, durationMs, handoffs }: { steps: TraceStep[]; durationMs: number | null; handoffs: number }) {
  const [open, setOpen] = useState(false);
  const facts = [
    steps.length > 0 ? `${steps.length} ${steps.length === 1 ? 'tool' : 'tools'}` : null,
    handoffs > 0 ? `${handoffs} ${handoffs === 1 ? 'handoff' : 'handoffs'}` : null,
  ]
    .filter(Boolean)
    .join(' · ');
  return (
    <div className="step">
      <i className="atom" />
      <button
        type="button"
        className="step-h disclosure"
        aria-expanded={open}
        onClick={() => setOpen(!open)}
        disabled={steps.length === 0}
      >
        <span className="soft">{durationMs === null ? 'Worked' : `Worked ${formatDuration(durationMs)}`}</span>
        {facts && <span className="muted">{facts}</span>}
        {steps.length > 0 && <Icon of={open ? ChevronDown : ChevronRight} small />}
      </button>
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

const DELEGATION_WORDS: Record<string, string> = {
  pending: 'Sent',
  dispatched: 'Sent',
  queued: 'Queued at target',
  in_progress: 'Picked up',
  completed: 'Answered',
  failed: 'Failed',
  stuck: 'No sign of life',
};

function DelegationStep({ box }: { box: DelegationBox }) {
  const peer = useWorkspace(box.targetId);
  const failed = box.status === 'failed' || box.status === 'stuck';
  return (
    <div className="step box">
      <i className={`atom ${box.status === 'completed' ? 'fill' : ''}`} />
      <div className="deleg" data-testid="delegation" data-status-word={box.status}>
        <div className="to">
          <DelegationIcon small />
          <button
            type="button"
            className="link plain clip grow"
            onClick={() => peer && select(peer.id)}
            disabled={!peer}
          >
            <b>{peer?.name ?? box.targetId.slice(0, 8)}</b>
          </button>
          <Receipt
            accepted
            pickedUp={['in_progress', 'completed'].includes(box.status)}
            answered={box.status === 'completed'}
            tone={failed ? 'bad' : 'plain'}
          />
          <span className="stamp">{DELEGATION_WORDS[box.status] ?? box.status}</span>
        </div>
        {box.task && <p className="say">{box.task}</p>}
        {(box.response || box.error) && (
          <div className={`res ${failed ? 'bad' : ''}`}>
            <Icon of={CornerDownLeft} small />
            <p className="grow">{box.error || box.response}</p>
          </div>
        )}
      </div>
    </div>
  );
}

function Countdown({ at, why }: { at: number; why: string }) {
  const now = useFastNow();
  const seconds = Math.max(0, Math.ceil((at - Math.max(now, Date.now())) / 1000));
  return <>{`${why}. Sends again in ${seconds} s.`}</>;
}

/** Where a message stands, in words under the bubble. */
function Standing({ state }: { state: TurnState }) {
  switch (state.is) {
    case 'sending':
      return <span className="stamp">Sending</span>;
    case 'queued':
      return (
        <span className="stamp" data-testid="queued">
          Queued, {state.place <= 1 ? 'next in line' : `place ${state.place}`}
        </span>
      );
    case 'inbox': {
      const words = state.answeredAt
        ? 'Answered'
        : state.injectedAt
          ? 'Seen'
          : 'Accepted. Waiting in the agent’s inbox.';
      return (
        <span className="stamp row receipt-line" data-testid="receipt">
          <Receipt accepted pickedUp={state.injectedAt !== null} answered={state.answeredAt !== null} /> {words}
        </span>
      );
    }
    case 'retrying':
      return (
        <span className="stamp">
          <Countdown at={state.at} why={state.why} />
        </span>
      );
    case 'open':
      return <span className="stamp">{state.why}</span>;
    default:
      return null;
  }
}

function Failure({ workspaceId, turn }: { workspaceId: string; turn: Turn }) {
  if (turn.state.is !== 'failed') return null;
  const { title, hint, fix } = turn.state;
  return (
    <div className="fail" role="alert" data-testid="bubble" data-role="error">
      <StatusGlyph status="failed" />
      <div className="grow">
        <b>{title}</b>
        <p>{hint}</p>
        <div className="row fail-acts">
          {fix === 'add-key' && (
            <Button size="sm" look="line" onClick={() => openDialog({ kind: 'connect-model' })}>
              Add key
            </Button>
          )}
          {fix === 'budget' && (
            <Button size="sm" look="line" onClick={() => select(workspaceId, 'details')}>
              Open budget
            </Button>
          )}
          {fix === 'restart' && (
            <Button size="sm" look="line" onClick={() => void api.restartWorkspace({ params: { id: workspaceId } })}>
              Restart
            </Button>
          )}
          {turn.user && (
            <Button size="sm" onClick={() => resendMessage(workspaceId, turn.key)}>
              Send again
            </Button>
          )}
        </div>
      </div>
    </div>
  );
}

export interface TurnViewProps {
  workspaceId: string;
  turn: Turn;
  delegations: DelegationBox[];
}

export const TurnView = memo(function TurnView({ workspaceId, turn, delegations }: TurnViewProps) {
  const streaming = turn.state.is === 'streaming' ? turn.state : null;
  const hasSpine = turn.reply !== null || streaming !== null || delegations.length > 0;
  return (
    <>
      {turn.user && turn.origin === null && (
        <div className="me" data-testid="bubble" data-role="user">
          <div className="b">{turn.user.text}</div>
          {turn.user.files.map((file) => (
            <FileChip key={file.uri} workspaceId={workspaceId} file={file} />
          ))}
          <div className="row me-foot">
            <Standing state={turn.state} />
            <time className="stamp" dateTime={turn.user.at} title={formatFull(turn.user.at)}>
              {formatTime(turn.user.at)}
            </time>
          </div>
        </div>
      )}
      {turn.user && turn.origin !== null && (
        <div className="event-line" data-testid="bubble" data-role="event">
          <span className="tag mono">{turn.origin}</span> <span className="soft">{turn.user.text}</span>
        </div>
      )}
      {hasSpine && (
        <div className="turn">
          {turn.reply && (turn.reply.trace.length > 0 || turn.reply.durationMs !== null) && (
            <Trace steps={turn.reply.trace} durationMs={turn.reply.durationMs} handoffs={delegations.length} />
          )}
          {delegations.map((box) => (
            <DelegationStep key={box.id} box={box} />
          ))}
          {streaming && (
            <div className="step read" data-testid="bubble" data-role="agent" data-streaming="true">
              <i className="atom live" />
              {streaming.text ? <Markdown text={streaming.text} live /> : <span className="soft">Working</span>}
            </div>
          )}
          {turn.reply && (
            <div className="step read" data-testid="bubble" data-role="agent">
              <i className="atom fill" />
              <Markdown text={turn.reply.text} />
              {turn.reply.files.length > 0 && (
                <div className="row files">
                  {turn.reply.files.map((file) => (
                    <FileChip key={file.uri} workspaceId={workspaceId} file={file} />
                  ))}
                </div>
              )}
              <time className="stamp reply-time" dateTime={turn.reply.at} title={formatFull(turn.reply.at)}>
                {formatTime(turn.reply.at)}
              </time>
            </div>
          )}
        </div>
      )}
      <Failure workspaceId={workspaceId} turn={turn} />
    </>
  );
});
