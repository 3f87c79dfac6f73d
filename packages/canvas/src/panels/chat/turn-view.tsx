// One turn of a conversation: what the person said and where it stands, the steps on the spine, the reply.

import { memo, useMemo, useState } from 'react';
import { CopyButton, formatFull, formatOrdinal, formatTime, Receipt, useFastNow } from '../../ui/index.ts';
import { openWhy, type WhyTarget } from '../why/why-store.ts';
import { FileChip } from './attachments/file-chip.tsx';
import { resendMessage } from './delivery.ts';
import { Markdown } from './markdown.tsx';
import { DelegationStep, EventStep, FailureStep, Trace } from './steps.tsx';
import type { AgentReply, DelegationBox, Turn, TurnState } from './turns.ts';

/** A quick answer without tools is not worth a line about how long it took. */
const LONG_MS = 2_000;

function Countdown({ at, why }: { at: number; why: string }) {
  const seconds = Math.max(0, Math.ceil((at - Math.max(useFastNow(), Date.now())) / 1000));
  return (
    <span className="stamp" role="timer" data-testid="countdown">
      {why}. Sends again in {seconds} s.
    </span>
  );
}

/** Leads to what keeps a message waiting. */
function WhyLink({ target }: { target: WhyTarget }) {
  return (
    <button type="button" className="link" onClick={() => openWhy(target)}>
      Why?
    </button>
  );
}

/** A call that takes longer than this is worth the question. */
const LONG_CALL_MS = 15_000;

function SendingStanding({ target, since }: { target: WhyTarget; since: string }) {
  const isLong = Math.max(useFastNow(), Date.now()) - Date.parse(since) > LONG_CALL_MS;
  return (
    <span className="stamp">
      {isLong ? 'Sent, no answer yet ' : 'Sending'}
      {isLong && <WhyLink target={target} />}
    </span>
  );
}

function InboxStanding({ state, target }: { state: Extract<TurnState, { is: 'inbox' }>; target: WhyTarget }) {
  const words = state.answeredAt ? 'Answered' : state.injectedAt ? 'Seen' : 'Accepted. Waiting in the agent’s inbox.';
  return (
    <span className="stamp row receipt-line" data-testid="receipt">
      <Receipt accepted pickedUp={state.injectedAt !== null} answered={state.answeredAt !== null} /> {words}
      {!state.answeredAt && <WhyLink target={target} />}
    </span>
  );
}

function QueueStanding({ state, target }: { state: Extract<TurnState, { is: 'queued' }>; target: WhyTarget }) {
  const place = state.place <= 1 ? 'next in line' : `${formatOrdinal(state.place)} in line`;
  return (
    <span className="stamp row receipt-line" data-testid="queued">
      <Receipt accepted pickedUp={Boolean(state.injectedAt)} answered={false} />
      {state.injectedAt ? 'Picked up' : `Queued, ${place}`}
      <WhyLink target={target} />
    </span>
  );
}

/** Where a message stands, in words under the bubble. */
function Standing({ workspaceId, turn }: { workspaceId: string; turn: Turn }) {
  const { state } = turn;
  const target = { workspaceId, messageId: turn.key };
  switch (state.is) {
    case 'sending':
      return <SendingStanding target={target} since={turn.startedAt} />;
    case 'queued':
      return <QueueStanding state={state} target={{ workspaceId, queueId: state.queueId }} />;
    case 'inbox':
      return <InboxStanding state={state} target={target} />;
    case 'retrying':
      return <Countdown at={state.at} why={state.why} />;
    case 'open':
      return (
        <span className="stamp open-note">
          {state.why}{' '}
          <button type="button" className="link" onClick={() => resendMessage(workspaceId, turn.key)}>
            Send again
          </button>{' '}
          <WhyLink target={target} />
        </span>
      );
    default:
      return null;
  }
}

function OwnBubble({ workspaceId, turn, user }: { workspaceId: string; turn: Turn; user: NonNullable<Turn['user']> }) {
  return (
    <div className="me" data-testid="bubble" data-role="user" data-state={turn.state.is}>
      {user.text && <div className="b">{user.text}</div>}
      {user.files.length > 0 && (
        <div className="row files">
          {user.files.map((file) => (
            <FileChip key={file.uri} workspaceId={workspaceId} file={file} />
          ))}
        </div>
      )}
      <div className="row me-foot">
        <Standing workspaceId={workspaceId} turn={turn} />
        <time className="stamp" dateTime={user.at} title={formatFull(user.at)}>
          {formatTime(user.at)}
        </time>
      </div>
    </div>
  );
}

const MOST_LINES = 60;
const LINE_CHARACTERS = 64;

function countLines(text: string): number {
  return text.split('\n').reduce((lines, line) => lines + Math.max(1, Math.ceil(line.length / LINE_CHARACTERS)), 0);
}

/** A long reply shows its beginning; the rest is one press away. */
function FoldedMarkdown({ text }: { text: string }) {
  const [isOpen, setOpen] = useState(false);
  const lines = useMemo(() => countLines(text), [text]);
  if (lines <= MOST_LINES) return <Markdown text={text} />;
  return (
    <>
      <div className={isOpen ? '' : 'folded-text'}>
        <Markdown text={text} />
      </div>
      <button type="button" className="link" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        {isOpen ? 'Fold' : `Show all, about ${lines} lines`}
      </button>
    </>
  );
}

function Reply({ workspaceId, reply }: { workspaceId: string; reply: AgentReply }) {
  return (
    <div className="step read reply" data-testid="bubble" data-role="agent">
      <i className="atom fill" />
      <FoldedMarkdown text={reply.text} />
      {reply.files.length > 0 && (
        <div className="row files">
          {reply.files.map((file) => (
            <FileChip key={file.uri} workspaceId={workspaceId} file={file} />
          ))}
        </div>
      )}
      <div className="row reply-foot">
        <time className="stamp" dateTime={reply.at} title={formatFull(reply.at)}>
          {formatTime(reply.at)}
        </time>
        <CopyButton text={reply.text} label="Copy the reply" className="reply-copy" />
      </div>
    </div>
  );
}

export interface TurnViewProps {
  workspaceId: string;
  turn: Turn;
  delegations: readonly DelegationBox[];
}

export const TurnView = memo(function TurnView({ workspaceId, turn, delegations }: TurnViewProps) {
  const { user, reply, state, origin } = turn;
  const streaming = state.is === 'streaming' ? state : null;
  const isWork = reply !== null && (reply.trace.length > 0 || delegations.length > 0);
  const hasTrace = isWork || (reply?.durationMs ?? 0) >= LONG_MS;
  const hasSpine = reply || streaming || state.is === 'failed' || delegations.length > 0 || origin;
  return (
    <>
      {user && origin === null && <OwnBubble workspaceId={workspaceId} turn={turn} user={user} />}
      {hasSpine && (
        <div className="turn">
          {user && origin !== null && <EventStep origin={origin} text={user.text} at={user.at} />}
          {hasTrace && reply && (
            <Trace steps={reply.trace} durationMs={reply.durationMs} handoffs={delegations.length} />
          )}
          {delegations.map((box) => (
            <DelegationStep key={box.id} box={box} callerId={workspaceId} />
          ))}
          {streaming && (
            <div className="step read" data-testid="bubble" data-role="agent" data-streaming="true">
              <i className="atom live" />
              {streaming.text ? <Markdown text={streaming.text} live /> : <span className="soft">Working</span>}
            </div>
          )}
          {reply && <Reply workspaceId={workspaceId} reply={reply} />}
          {state.is === 'failed' && <FailureStep workspaceId={workspaceId} turn={turn} failure={state} />}
        </div>
      )}
    </>
  );
});
