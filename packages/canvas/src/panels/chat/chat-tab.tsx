// The chat with one workspace: history, the running turn, the composer.

import { ChevronDown, ChevronUp } from 'lucide-react';
import { type UIEvent, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react';
import { useConnection, type WorkspaceNode } from '../../live/index.ts';
import { Button, ElapsedWords, Icon, Skeleton, Tabs, toast } from '../../ui/index.ts';
import { CommsView } from '../comms/comms-view.tsx';
import { useTabState } from '../tab-state.ts';
import { DropZone } from './attachments/drop-zone.tsx';
import { Composer, lockReason } from './composer.tsx';
import { loadConversation, loadOlder, useConversation } from './conversations.ts';
import { delegationsOf } from './delegations.ts';
import { stopTurn } from './delivery.ts';
import { TurnView } from './turn-view.tsx';
import { isRunning, type Turn } from './turns.ts';
import './attachments/attachments.css';
import './chat.css';

const NEAR_END_PX = 120;
const NEAR_START_PX = 80;

/** New words scroll into view only for who reads at the end; older ones push nothing away. */
function useScroll(id: string, oldest: string | undefined) {
  const box = useRef<HTMLDivElement>(null);
  const isPinned = useRef(true);
  const before = useRef({ oldest, height: 0 });
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const grewAbove = before.current.oldest !== undefined && before.current.oldest !== oldest;
    if (isPinned.current) element.scrollTop = element.scrollHeight;
    else if (grewAbove) element.scrollTop += element.scrollHeight - before.current.height;
    before.current = { oldest, height: element.scrollHeight };
  });
  const onScroll = (event: UIEvent<HTMLDivElement>) => {
    const { scrollHeight, scrollTop, clientHeight } = event.currentTarget;
    isPinned.current = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    if (scrollTop < NEAR_START_PX && scrollHeight > clientHeight) void loadOlder(id);
  };
  return { box, onScroll };
}

function MyChat({ node }: { node: WorkspaceNode }) {
  const { conversation, loading, error, loadingOlder, feed } = useConversation(node.id);
  const { turns } = conversation;
  const running = turns.findLast(isRunning);
  const { box, onScroll } = useScroll(node.id, turns[0]?.key);

  useEffect(() => {
    void loadConversation(node.id);
  }, [node.id]);

  const views = useMemo(
    () => turns.map((turn, index) => ({ turn, delegations: delegationsOf(conversation, turn, turns[index + 1]) })),
    [conversation, turns],
  );
  const taskId = running?.state.is === 'streaming' ? running.state.taskId : null;
  const lastSent = turns.findLast((turn) => turn.user && turn.origin === null)?.user?.text ?? '';
  const stop = (task: string) =>
    stopTurn(node.id, task).catch((failure: Error) => toast.error(`The turn could not be stopped: ${failure.message}`));

  const lock = lockReason(node, useConnection().canWrite);

  return (
    <DropZone workspaceId={node.id} name={node.name} locked={lock !== null}>
      <div
        className="chat scroll"
        ref={box}
        role="log"
        aria-label={`Conversation with ${node.name}`}
        onScroll={onScroll}
      >
        <div className="chat-fill" />
        {loadingOlder && <Skeleton width="40%" />}
        {loading && turns.length === 0 && <ChatSkeleton />}
        {!loading && turns.length === 0 && !error && <NothingYet node={node} />}
        {views.map(({ turn, delegations }) => (
          <TurnView key={turn.key} workspaceId={node.id} turn={turn} delegations={delegations} />
        ))}
      </div>
      {error && (
        <div className="note warn chat-note" role="alert">
          <span className="grow">The history could not be read: {error}</span>
          <Button size="sm" onClick={() => void loadConversation(node.id)}>
            Retry
          </Button>
        </div>
      )}
      {(running || node.current_task) && <LiveBar running={running} task={node.current_task} feed={feed} />}
      <Composer key={node.id} node={node} lastSent={lastSent} onStop={taskId ? () => void stop(taskId) : null} />
    </DropZone>
  );
}

const VIEWS = [
  { id: 'mine', label: 'My chat' },
  { id: 'comms', label: 'Agent comms' },
] as const;
type View = (typeof VIEWS)[number]['id'];

export function ChatTab({ node }: { node: WorkspaceNode }) {
  const [view, setView] = useTabState<View>(`${node.id}.chat.view`, 'mine');
  return (
    <>
      <div className="p-sub">
        <Tabs tabs={VIEWS} active={view} label="Conversation" look="seg" onChange={setView} />
      </div>
      <div
        className="p-body"
        role="tabpanel"
        id={`panel-${view}`}
        aria-label={VIEWS.find((one) => one.id === view)?.label}
      >
        {view === 'mine' ? <MyChat node={node} /> : <CommsView node={node} />}
      </div>
    </>
  );
}

function describeRun(turn: Turn | undefined, task: string): string {
  if (turn?.state.is === 'streaming' && turn.state.text) return 'Writing';
  if (turn?.state.is === 'retrying') return turn.state.why;
  return task || (turn?.state.is === 'sending' ? 'Sent, waiting for the agent' : 'Working');
}

/** What runs now, for how long, and on request what the agent reported meanwhile. */
function LiveBar({ running, task, feed }: { running: Turn | undefined; task: string; feed: readonly string[] }) {
  const [open, setOpen] = useState(false);
  return (
    <>
      {open && feed.length > 0 && (
        <ul className="feed scroll" aria-label="Reported meanwhile">
          {feed.map((line, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: lines are only appended, and may repeat
            <li key={index}>{line}</li>
          ))}
        </ul>
      )}
      <div className="livebar" data-testid="thinking">
        <i className="beat" />
        <span className="clip grow">
          {describeRun(running, task)}
          {running && (
            <>
              {' · '}
              <ElapsedWords since={running.startedAt} />
            </>
          )}
        </span>
        {running && feed.length > 0 && (
          <Button size="xs" aria-expanded={open} onClick={() => setOpen(!open)}>
            {feed.length} reported
            <Icon of={open ? ChevronDown : ChevronUp} small />
          </Button>
        )}
      </div>
    </>
  );
}

function NothingYet({ node }: { node: WorkspaceNode }) {
  return (
    <div className="chat-empty">
      <p className="soft">
        {node.runtime === 'echo'
          ? `${node.name} answers by script: no model is connected to it.`
          : `Nothing said yet. Ask ${node.name} something.`}
      </p>
    </div>
  );
}

function ChatSkeleton() {
  return (
    <div className="chat-skel" aria-hidden="true">
      <Skeleton width="46%" />
      <Skeleton width="82%" />
      <Skeleton width="64%" />
    </div>
  );
}
