// How much happened when: one bar per slice of the chosen time, what failed on top in red.

import { formatAge } from '../../ui/index.ts';
import type { Bucket } from './activity-rows.ts';

const HEIGHT_PX = 52;
const TICKS = 4;

export function Histogram({ buckets, rangeMs }: { buckets: readonly Bucket[]; rangeMs: number }) {
  const most = Math.max(1, ...buckets.map((bucket) => bucket.count));
  const total = buckets.reduce((sum, bucket) => sum + bucket.count, 0);
  const failed = buckets.reduce((sum, bucket) => sum + bucket.failed, 0);
  const px = (count: number) => Math.round((count / most) * HEIGHT_PX);
  return (
    <figure className="hist-frame" aria-label={`${total} entries over time, ${failed} failed`}>
      <div className="hist">
        {buckets.map(({ count, failed: bad }, slice) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a slice is its place
          <i key={slice}>
            {bad > 0 && <s style={{ height: Math.max(2, px(bad)) }} />}
            {count > bad && <b style={{ height: Math.max(2, px(count - bad)) }} />}
          </i>
        ))}
      </div>
      <div className="row hist-axis num">
        {Array.from({ length: TICKS }, (_, tick) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a tick is its place
          <span key={tick}>{formatAge(rangeMs * (1 - tick / TICKS))} ago</span>
        ))}
        <span>Now</span>
      </div>
    </figure>
  );
}
