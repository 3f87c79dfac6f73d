// Who has waited since when, on one time axis that ends now.

import type { WhyReply } from '@molecule/contract';
import { formatTime, formatTimeExact, useFastNow } from '../../ui/index.ts';
import { drawAxis } from './words.ts';

const TICKS = 4;
/** Shorter than this, minutes alone would repeat themselves. */
const EXACT_BELOW_MS = 240_000;

export function Waterfall({ why }: { why: WhyReply }) {
  const now = Math.max(useFastNow(), Date.parse(why.as_of));
  const axis = drawAxis(why.chain, now);
  if (!axis) return null;
  const span = axis.toMs - axis.fromMs;
  const format = span < EXACT_BELOW_MS ? formatTimeExact : formatTime;
  return (
    <figure className="wf" aria-label="Since when each of them waits">
      <div className="wf-axis" aria-hidden="true">
        {Array.from({ length: TICKS }, (_, tick) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a tick is its place
          <span key={tick}>{format(axis.fromMs + (span * tick) / TICKS)}</span>
        ))}
        <span>now</span>
      </div>
      {axis.lanes.map(({ hop, left }) => {
        const number = why.chain.indexOf(hop) + 1;
        const isRoot = number === why.chain.length;
        return (
          <div key={number} className="wf-row" data-root={isRoot && why.stuck ? '' : undefined}>
            <span className="who">
              <span className={`num-b ${isRoot && why.stuck ? 'root' : ''}`}>{number}</span>
              <span className="clip" title={hop.name}>
                {hop.name}
              </span>
            </span>
            <div className="wf-lane">
              <i className="wf-bar" style={{ left: `${left}%` }} />
            </div>
          </div>
        );
      })}
    </figure>
  );
}
