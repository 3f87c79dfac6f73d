// The last runs of a schedule: when, how they ended, how long they took, and why one failed.

import type { ScheduleResult, ScheduleRow, ScheduleRun } from '@molecule/contract';
import { Button, formatDuration, formatFull, RelativeTime, Skeleton } from '../../ui/index.ts';
import { useRuns } from './use-schedules.ts';

interface Standing {
  word: string;
  /** Whose colour it has. */
  status: string;
}

export const RESULTS: Record<ScheduleResult, Standing> = {
  ok: { word: 'Answered', status: 'online' },
  error: { word: 'Failed', status: 'failed' },
  stale: { word: 'Empty replies', status: 'degraded' },
  skipped: { word: 'Skipped', status: 'degraded' },
};

export function Result({ of }: { of: ScheduleResult }) {
  const { word, status } = RESULTS[of];
  return (
    <span className="tag st" data-status={status}>
      {word}
    </span>
  );
}

function Line({ run }: { run: ScheduleRun }) {
  return (
    <li className="sched-run" data-testid="schedule-run" data-result={run.status}>
      <div className="row">
        <span className="grow muted" title={formatFull(run.timestamp)}>
          <RelativeTime at={run.timestamp} />
          {run.duration_ms !== null && <span className="num"> · {formatDuration(run.duration_ms)}</span>}
        </span>
        <Result of={run.status} />
      </div>
      {run.error_detail && <p className="sched-error">{run.error_detail}</p>}
    </li>
  );
}

export interface RunHistoryProps {
  schedule: ScheduleRow;
  /** One was fired by hand, and how it ended is not known yet. */
  isFired: boolean;
}

export function RunHistory({ schedule, isFired }: RunHistoryProps) {
  const runs = useRuns(schedule.workspace_id, schedule.id);
  return (
    <div className="sched-history" data-testid="schedule-history">
      {runs.isPending && <Skeleton width="60%" />}
      {runs.isError && (
        <div className="note warn" role="alert">
          <span className="grow">The history could not be read: {runs.error.message}</span>
          <Button size="sm" onClick={() => void runs.refetch()}>
            Retry
          </Button>
        </div>
      )}
      {isFired && <p className="muted">Fired. The agent has not answered yet.</p>}
      {runs.data?.length === 0 && !isFired && <p className="muted">It has not run yet.</p>}
      {runs.data && runs.data.length > 0 && (
        <ul aria-label={`Runs of ${schedule.name || 'the schedule'}`}>
          {runs.data.map((run) => (
            <Line key={`${run.timestamp}${run.status}`} run={run} />
          ))}
        </ul>
      )}
    </div>
  );
}
