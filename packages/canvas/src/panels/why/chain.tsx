// The numbered chain: each hop with what it waits for and its marks, the last one as the cause.

import type { WhyHop, WhyReply } from '@molecule/contract';
import { select, useWorkspace } from '../../live/index.ts';
import { ElapsedWords, formatTime, Receipt, useFastNow } from '../../ui/index.ts';
import { closeWhy } from './why-store.ts';
import { listFacts } from './words.ts';

function Name({ hop }: { hop: WhyHop }) {
  const node = useWorkspace(hop.workspace_id);
  if (!node) return <b>{hop.name}</b>;
  return (
    <button
      type="button"
      className="link plain"
      onClick={() => {
        closeWhy();
        select(node.id, 'chat');
      }}
    >
      <b>{hop.name}</b>
    </button>
  );
}

function Marks({ hop }: { hop: WhyHop }) {
  const { accepted_at: accepted, injected_at: injected, answered_at: answered } = hop.marks;
  if (!accepted && !injected && !answered) return null;
  const words = answered
    ? `answered ${formatTime(answered)}`
    : injected
      ? `picked up ${formatTime(injected)}`
      : `accepted ${formatTime(accepted ?? '')}`;
  return (
    <>
      <Receipt accepted pickedUp={injected !== null} answered={answered !== null} tone="ink" />
      <span>{words}</span>
    </>
  );
}

function Waits({ hop }: { hop: WhyHop }) {
  const hasMarks = hop.marks.accepted_at !== null || hop.marks.injected_at !== null;
  return (
    <>
      <h3>
        <Name hop={hop} /> <span>{hop.says}</span>
      </h3>
      {hop.text && <p className="d">“{hop.text}”</p>}
      <div className="ev">
        <Marks hop={hop} />
        {hop.since && !hop.marks.answered_at && (
          <span>
            {hasMarks && <i className="dot-sep">·</i>}
            <ElapsedWords since={hop.since} /> without an answer
          </span>
        )}
      </div>
    </>
  );
}

function Cause({ hop, stuck }: { hop: WhyHop; stuck: boolean }) {
  const now = Math.max(useFastNow(), Date.now());
  const facts = listFacts(hop.figures, now);
  const task = hop.text || hop.figures.current_task || '';
  return (
    <div className={`rootbox ${stuck ? '' : 'calm'}`} data-testid="why-cause" data-cause={hop.cause}>
      <h3>
        <Name hop={hop} /> <span>{hop.says}</span>
      </h3>
      {task && <p className="d">“{task}”</p>}
      {hop.figures.error && <p className="quote">{hop.figures.error}</p>}
      {(hop.since || facts.length > 0) && (
        <div className="ev">
          {hop.since && (
            <span>
              for <ElapsedWords since={hop.since} />
            </span>
          )}
          {facts.map((fact) => (
            <span key={fact}>{fact}</span>
          ))}
        </div>
      )}
    </div>
  );
}

export function Chain({ why }: { why: WhyReply }) {
  const last = why.chain.length - 1;
  return (
    <ol className="why-chain" aria-label="From what was asked about to the cause">
      {why.chain.map((hop, index) => (
        <li
          // biome-ignore lint/suspicious/noArrayIndexKey: a hop is its place in the chain; a circle names one twice
          key={index}
          className={`cause ${index === last ? 'is-root' : ''}`}
          data-testid="why-hop"
        >
          <span className={`num-b ${index === last && why.stuck ? 'root' : ''}`} aria-hidden="true">
            {index + 1}
          </span>
          {index === last ? <Cause hop={hop} stuck={why.stuck} /> : <Waits hop={hop} />}
        </li>
      ))}
    </ol>
  );
}
