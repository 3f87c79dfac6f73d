// Why is it stuck: the sentence, the time axis, the chain down to the cause, what waits behind it, what was ruled out, and what can
// be done (interface direction, "Why is it stuck"). Takes the place of the side panel; on a phone it is a sheet.

import type { WhyReply } from '@molecule/contract';
import { ChevronLeft, X } from 'lucide-react';
import { useEffect } from 'react';
import { useNarrow } from '../../app/use-media.ts';
import { revealNode } from '../../canvas/camera.ts';
import { showChain } from '../../canvas/graph-state.ts';
import { getWorkspace, useConnection } from '../../live/index.ts';
import {
  Button,
  ChainIcon,
  CopyButton,
  ElapsedWords,
  formatFull,
  formatTime,
  Icon,
  IconButton,
  Receipt,
  Skeleton,
  toSentence,
} from '../../ui/index.ts';
import { ResizeHandle } from '../resize-handle.tsx';
import { Actions } from './action-list.tsx';
import { Chain } from './chain.tsx';
import { Behind, Checked } from './evidence.tsx';
import { useExplanation } from './use-explanation.ts';
import { Waterfall } from './waterfall.tsx';
import { closeWhy, useWhy, type WhyTarget } from './why-store.ts';
import { toReport } from './words.ts';
import '../panel.css';
import './why.css';

/** The same numbers stand on the cards, and everything else steps back, for as long as the answer is shown. */
function useChainOnCanvas(why: WhyReply | undefined): void {
  const root = why?.chain.at(-1)?.workspace_id;
  useEffect(() => {
    if (root) revealNode(root);
  }, [root]);
  useEffect(() => {
    // One that does not wait for anybody has nothing to tell apart on the graph.
    const isShown = why && (why.stuck || why.chain.length > 1);
    showChain(isShown ? why.chain.map(({ workspace_id: id, since }) => ({ id, since })) : null, why?.stuck ?? false);
  }, [why]);
  useEffect(() => () => showChain(null, false), []);
}

function Head({ target, why }: { target: WhyTarget; why: WhyReply | undefined }) {
  const isNarrow = useNarrow();
  const { state } = useConnection();
  const name = why?.subject.name ?? getWorkspace(target.workspaceId)?.name ?? 'it';
  const isLive = state === 'live';
  return (
    <header className="why-head">
      {isNarrow ? (
        <IconButton label="Back" onClick={closeWhy}>
          <Icon of={ChevronLeft} />
        </IconButton>
      ) : (
        <ChainIcon />
      )}
      <h2 className="grow clip soft">
        Why is <b>{name}</b> waiting?
      </h2>
      <span className="wspill why-live" data-status={isLive ? 'online' : 'offline'}>
        <i />
        {isLive ? 'Live' : 'Not live'}
      </span>
      {why && <CopyButton text={() => toReport(why, Date.now())} label="Copy the report" />}
      {!isNarrow && (
        <IconButton label="Close" shortcut="Esc" onClick={closeWhy}>
          <Icon of={X} />
        </IconButton>
      )}
    </header>
  );
}

/** The message or delegation asked about, where the chain does not begin with it. */
function Subject({ why: { subject, chain } }: { why: WhyReply }) {
  if (subject.text === '' || subject.text === chain[0]?.text) return null;
  const { accepted_at: accepted, injected_at: injected, answered_at: answered } = subject.marks;
  return (
    <div className="why-subject" data-testid="why-subject">
      <p className="soft">“{subject.text}”</p>
      <div className="row stamp">
        <Receipt accepted={accepted !== null} pickedUp={injected !== null} answered={answered !== null} />
        {subject.since && !answered && (
          <>
            waits <ElapsedWords since={subject.since} />
          </>
        )}
      </div>
    </div>
  );
}

function Answer({ why }: { why: WhyReply }) {
  return (
    <>
      <h1 className="why-sentence" data-testid="why-sentence">
        {why.summary}
      </h1>
      <p className="stamp why-asof">
        As of <time dateTime={why.as_of}>{formatTime(why.as_of)}</time>
      </p>
      <Subject why={why} />
      <Waterfall why={why} />
      <Chain why={why} />
      <Behind behind={why.behind} />
      <Checked checked={why.checked} />
    </>
  );
}

function Waiting() {
  return (
    <div className="why-skel" aria-hidden="true">
      <Skeleton width="92%" height={20} />
      <Skeleton width="60%" height={20} />
      <Skeleton width="100%" height={96} />
      <Skeleton width="70%" />
      <Skeleton width="82%" />
    </div>
  );
}

function Asked({ target }: { target: WhyTarget }) {
  const query = useExplanation(target);
  const { data: why, error, dataUpdatedAt } = query;
  useChainOnCanvas(why);
  return (
    <aside className="panel why" data-testid="why" aria-label="Why is it waiting">
      <ResizeHandle />
      <Head target={target} why={why} />
      <div className="why-body scroll" aria-live="polite" aria-busy={query.isPending}>
        {error && (
          <div className={`note ${why ? 'warn' : 'bad'} why-note`} role="alert">
            <span className="grow" title={why ? formatFull(dataUpdatedAt) : undefined}>
              {why ? `Could not refresh. Showing ${formatTime(dataUpdatedAt)}. ` : 'This could not be found out. '}
              {toSentence(error.message)}
            </span>
            <Button size="sm" onClick={() => void query.refetch()}>
              Retry
            </Button>
          </div>
        )}
        {query.isPending && <Waiting />}
        {why && <Answer why={why} />}
      </div>
      {why && <Actions why={why} onDone={() => void query.refetch()} />}
    </aside>
  );
}

export function WhyPanel() {
  const target = useWhy((state) => state.target);
  return target ? <Asked key={JSON.stringify(target)} target={target} /> : null;
}
