// The chat with one workspace: history, the running turn, the composer.

import { useEffect, useLayoutEffect, useMemo, useRef } from 'react';
import type { WorkspaceNode } from '../../live/index.ts';
import { Button, Elapsed, Skeleton, toast } from '../../ui/index.ts';
import { Composer } from './composer.tsx';
import { loadConversation, stopTurn, useConversation } from './conversations.ts';
import { delegationsOf, type Turn } from './model.ts';
import { TurnView } from './turn-view.tsx';

const NEAR_END_PX = 120;

function isRunning(turn: Turn): boolean {
  return turn.state.is === 'sending' || turn.state.is === 'streaming';
}

export function ChatTab({ node }: { node: WorkspaceNode }) {
  const { conversation, loading, error } = useConversation(node.id);
  const { turns } = conversation;
  const running = turns.findLast(isRunning);
  const scroller = useRef<HTMLDivElement>(null);
  const pinned = useRef(true);

  useEffect(() => {
    void loadConversation(node.id);
  }, [node.id]);

  // New words scroll into view only for who reads at the end.
  useLayoutEffect(() => {
    const box = scroller.current;
    if (box && pinned.current) box.scrollTop = box.scrollHeight;
  });

  const views = useMemo(
    () => turns.map((turn, index) => ({ turn, delegations: delegationsOf(conversation, turn, turns[index + 1]) })),
    [conversation, turns],
  );
  const taskId = running?.state.is === 'streaming' ? running.state.taskId : null;
  const lastSent = turns.findLast((turn) => turn.user && turn.origin === null)?.user?.text ?? '';

  return (
    <>
      <div
        className="chat scroll"
        ref={scroller}
        role="log"
        aria-label={`Conversation with ${node.name}`}
        onScroll={(event) => {
          const box = event.currentTarget;
          pinned.current = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END_PX;
        }}
      >
        <div className="chat-fill" />
        {loading && turns.length === 0 && <ChatSkeleton />}
        {!loading && turns.length === 0 && !error && (
          <div className="chat-empty">
            <p className="soft">
              {node.runtime === 'echo'
                ? `${node.name} answers by script: no model is connected.`
                : `Nothing said yet. Ask ${node.name} something.`}
            </p>
          </div>
        )}
        {views.map(({ turn, delegations }) => (
          <TurnView key={turn.key} workspaceId={node.id} turn={turn} delegations={delegations} />
        ))}
      </div>
      {error && (
        <div className="note warn chat-note" role="alert">
          <span className="grow">The history could not be read: {error}</span>
          <Button size="xs" onClick={() => void loadConversation(node.id)}>
            Retry
          </Button>
        </div>
      )}
      {(running || node.current_task) && (
        <div className="livebar" data-testid="thinking">
          <i className="beat" />
          <span className="clip grow">{node.current_task || 'Sending'}</span>
          {running && <Elapsed since={running.startedAt} />}
        </div>
      )}
      <Composer
        key={node.id}
        node={node}
        lastSent={lastSent}
        onStop={
          taskId
            ? () =>
                stopTurn(node.id, taskId).catch((failure: Error) =>
                  toast.error(`The turn could not be stopped: ${failure.message}`),
                )
            : null
        }
      />
    </>
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
