// First load: the geometry of a team, after a moment, so that a fast answer shows no flicker.

import { Delayed, Skeleton } from '../ui/index.ts';

function SkeletonCard() {
  return (
    <div className="load-card">
      <Skeleton width="58%" />
      <Skeleton width="86%" />
      <Skeleton width="40%" />
    </div>
  );
}

export function LoadingScreen() {
  return (
    <div className="app" role="status" aria-label="Loading your agents">
      <div className="dots" />
      <Delayed>
        <div className="load-team">
          <Skeleton width="30%" />
          <Skeleton width="62%" />
          <div className="load-grid">
            <SkeletonCard />
            <SkeletonCard />
            <SkeletonCard />
            <SkeletonCard />
          </div>
        </div>
      </Delayed>
    </div>
  );
}
