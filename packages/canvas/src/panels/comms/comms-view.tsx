// Agent comms: what this agent and its peers said to each other, newest at the end, one box per call or delegation; beside it
// the table of its delegations and the transcript of its session.

import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { ArrowRight, CornerDownLeft } from 'lucide-react';
import { useEffect, useMemo, useRef, useState } from 'react';
import { api } from '../../app/api.ts';
import { restart } from '../../commands/index.ts';
import { select, useWorkspace, type WorkspaceNode } from '../../live/index.ts';
import {
  Button,
  DelegationIcon,
  formatFull,
  formatTime,
  Icon,
  Receipt,
  Skeleton,
  StatusGlyph,
  Tabs,
} from '../../ui/index.ts';
import { delegationIdOf } from '../activity/activity-rows.ts';
import { useTabState } from '../tab-state.ts';
import { useActivityRefresh } from '../use-activity-refresh.ts';
import { openWhy } from '../why/why-store.ts';
import { DelegationsView } from './delegations-view.tsx';
import { explainPeerError, listTalkPeers, listTalks, type Peer, type Talk } from './talks.ts';
import { TranscriptView } from './transcript-view.tsx';
import { useDelegations } from './use-delegations.ts';
import './comms.css';

const LIMIT = 50;
const SHORT_ID = 8;

/** The conversation between agents; the same rows the Activity tab shows. */
export function useTalks(node: WorkspaceNode) {
  useActivityRefresh('talks', node.id);
  const rows = useQuery({
    queryKey: ['talks', node.id],
    placeholderData: keepPreviousData,
    refetchOnMount: 'always',
    queryFn: ({ signal }) =>
      api.listActivity({ params: { id: node.id }, query: { source: 'agent', limit: LIMIT }, signal }),
  });
  const ledger = useDelegations(node.id);
  const talks = useMemo(() => listTalks(rows.data ?? [], node.id), [rows.data, node.id]);
  const pickedUp = useMemo(
    () => new Set(ledger.lines.filter((line) => line.pickedUp).map((line) => line.id)),
    [ledger.lines],
  );
  return { rows, talks, pickedUp };
}

function PeerChip({ peer, isOn, onClick }: { peer: Peer; isOn: boolean; onClick(): void }) {
  const node = useWorkspace(peer.id);
  return (
    <button type="button" className="chipf" aria-pressed={isOn} onClick={onClick}>
      {node && <StatusGlyph status={node.status} size={10} />}
      {node?.name ?? peer.id.slice(0, SHORT_ID)} <span className="num">{peer.count}</span>
    </button>
  );
}

function PeerError({ talk, peer }: { talk: Talk; peer: WorkspaceNode | undefined }) {
  const { title, hint } = explainPeerError(talk.error);
  return (
    <div className="talk-error" data-status="failed">
      <b>{title}</b>
      <p className="say">
        {talk.error && `${talk.error}. `}
        {hint}
      </p>
      {peer && (
        <div className="row fail-acts">
          {peer.runtime !== 'external' && (
            <Button size="sm" look="line" onClick={() => restart(peer)}>
              Restart peer
            </Button>
          )}
          <Button size="sm" onClick={() => select(peer.id, 'activity')}>
            Open peer
          </Button>
        </div>
      )}
    </div>
  );
}

const LONG_CHARACTERS = 240;

/** The beginning of a long text; the rest is one press away. */
function LongText({ text }: { text: string }) {
  const [isOpen, setOpen] = useState(false);
  const isLong = text.length > LONG_CHARACTERS || text.split('\n').length > 3;
  return (
    <>
      <p className={`say ${isOpen ? 'whole' : ''}`}>{text}</p>
      {isLong && (
        <button type="button" className="link" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          {isOpen ? 'Fold' : 'Load full'}
        </button>
      )}
    </>
  );
}

/** Leads to what keeps a delegation waiting; nothing for what is answered. */
function TalkWhy({ talk, callerId }: { talk: Talk; callerId: string }) {
  const { entry } = talk;
  const delegationId = entry.kind === 'delegation' ? delegationIdOf(entry.row) : null;
  if (!delegationId || entry.standing.is !== 'receipt' || entry.standing.answered) return null;
  return (
    <button type="button" className="link" onClick={() => openWhy({ workspaceId: callerId, delegationId })}>
      Why is it waiting?
    </button>
  );
}

interface TalkBoxProps {
  talk: Talk;
  selfId: string;
  /** The ledger says that the peer holds it. */
  isPickedUp: boolean;
}

function TalkBox({ talk, selfId, isPickedUp }: TalkBoxProps) {
  const peer = useWorkspace(talk.peerId);
  const { entry } = talk;
  const { standing, row } = entry;
  const hasFailed = standing.is === 'error';
  return (
    <li className="step box" data-testid="talk" data-direction={talk.isOutgoing ? 'out' : 'in'}>
      <i className={`atom ${talk.isOutgoing ? 'fill' : ''}`} />
      <div className="deleg">
        <div className="to">
          {entry.kind === 'delegation' ? (
            <DelegationIcon small />
          ) : (
            <Icon of={talk.isOutgoing ? ArrowRight : CornerDownLeft} small />
          )}
          {peer ? (
            <button type="button" className="link plain clip grow" onClick={() => select(peer.id)}>
              <b>{peer.name}</b>
            </button>
          ) : (
            <b className="clip grow" title="This workspace does not exist any more">
              {talk.peerId.slice(0, SHORT_ID)}
            </b>
          )}
          {standing.is === 'receipt' && (
            <Receipt accepted pickedUp={standing.pickedUp || isPickedUp} answered={standing.answered} />
          )}
          <time className="stamp" dateTime={row.created_at} title={formatFull(row.created_at)}>
            {standing.is === 'receipt' && standing.word === 'queued'
              ? isPickedUp
                ? 'Picked up · '
                : 'Queued at target · '
              : ''}
            {formatTime(row.created_at)}
          </time>
        </div>
        <LongText text={talk.text} />
        <TalkWhy talk={talk} callerId={selfId} />
        {talk.reply && (
          <div className="res">
            <Icon of={CornerDownLeft} small />
            <div className="grow">
              <LongText text={talk.reply} />
            </div>
          </div>
        )}
        {hasFailed && <PeerError talk={talk} peer={peer} />}
      </div>
    </li>
  );
}

const VIEWS = [
  { id: 'talk', label: 'Talk' },
  { id: 'delegations', label: 'Delegations' },
  { id: 'transcript', label: 'Transcript' },
] as const;
type View = (typeof VIEWS)[number]['id'];

export function CommsView({ node }: { node: WorkspaceNode }) {
  const [view, setView] = useTabState<View>(`${node.id}.comms.view`, 'talk');
  return (
    <>
      <div className="comms-views">
        <Tabs tabs={VIEWS} active={view} label="Agent comms" onChange={setView} />
      </div>
      <div className="comms-body" role="tabpanel" id={`panel-${view}`} aria-label={view}>
        {view === 'talk' && <TalkView node={node} />}
        {view === 'delegations' && <DelegationsView node={node} />}
        {view === 'transcript' && <TranscriptView key={node.id} node={node} />}
      </div>
    </>
  );
}

function TalkView({ node }: { node: WorkspaceNode }) {
  const { rows, talks, pickedUp } = useTalks(node);
  const [peerId, setPeerId] = useTabState<string | null>(`${node.id}.comms.peer`, null);
  const peers = listTalkPeers(talks);
  const shown = peerId === null ? talks : talks.filter((talk) => talk.peerId === peerId);
  const end = useRef<HTMLDivElement>(null);
  const newest = shown.at(-1)?.id;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new last box is what scrolls
  useEffect(() => {
    end.current?.scrollIntoView({ block: 'end' });
  }, [newest]);
  return (
    <>
      {peers.length > 1 && (
        <div className="chips talk-peers" role="toolbar" aria-label="Peer">
          <button type="button" className="chipf" aria-pressed={peerId === null} onClick={() => setPeerId(null)}>
            All <span className="num">{talks.length}</span>
          </button>
          {peers.map((peer) => (
            <PeerChip
              key={peer.id}
              peer={peer}
              isOn={peerId === peer.id}
              onClick={() => setPeerId(peerId === peer.id ? null : peer.id)}
            />
          ))}
        </div>
      )}
      {rows.isError && (
        <div className="note warn chat-note" role="alert">
          <span className="grow">
            Could not refresh. {rows.data ? `Showing ${formatTime(rows.dataUpdatedAt)}.` : rows.error.message}
          </span>
          <Button size="sm" onClick={() => void rows.refetch()}>
            Retry
          </Button>
        </div>
      )}
      <div className="talks scroll">
        {rows.isPending && <Skeleton width="70%" />}
        {rows.data && talks.length === 0 && (
          <div className="tab-empty">
            <p>{node.name} and its peers have not spoken yet. Calls and delegations appear here as they happen.</p>
          </div>
        )}
        <ul className="turn">
          {shown.map((talk) => (
            <TalkBox
              key={talk.id}
              talk={talk}
              selfId={node.id}
              isPickedUp={pickedUp.has(delegationIdOf(talk.entry.row) ?? '')}
            />
          ))}
        </ul>
        <div ref={end} />
      </div>
    </>
  );
}
