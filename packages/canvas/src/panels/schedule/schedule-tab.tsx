// The Schedule tab: what an agent is asked at set times (spec chapter 50 §7.8). Reading and changing is use-schedules.ts'.

import type { ScheduleRow } from '@molecule/contract';
import { Plus } from 'lucide-react';
import { useState } from 'react';
import { useConnection, type WorkspaceNode } from '../../live/index.ts';
import { Button, Delayed, formatTime, Icon, plural, Skeleton } from '../../ui/index.ts';
import { ScheduleForm } from './schedule-form.tsx';
import { ScheduleItem } from './schedule-row.tsx';
import { useSchedules } from './use-schedules.ts';
import './schedule.css';

/** Its agent said that it keeps the times itself: the platform fires none of these. */
function schedulesItself({ runtime_metadata: metadata }: WorkspaceNode): boolean {
  const { capabilities } = (metadata ?? {}) as { capabilities?: { scheduler?: unknown } };
  return capabilities?.scheduler === true;
}

export function ScheduleTab({ node }: { node: WorkspaceNode }) {
  const { canWrite } = useConnection();
  const schedules = useSchedules(node.id);
  const [edited, setEdited] = useState<ScheduleRow | 'new' | null>(null);
  const rows = schedules.data ?? [];
  const add = (look: 'line' | 'primary') => (
    <Button
      size="sm"
      look={look}
      disabled={!canWrite}
      title={canWrite ? undefined : 'The platform is out of reach'}
      onClick={() => setEdited('new')}
    >
      <Icon of={Plus} small /> New schedule
    </Button>
  );
  return (
    <div className="sched-tab scroll">
      {schedulesItself(node) && (
        <div className="note info">
          The agent schedules itself. The platform does not fire these; they can still be kept here.
        </div>
      )}
      {schedules.isError && (
        <div className="note warn" role="alert">
          <span className="grow">
            {schedules.data
              ? `Could not refresh. Showing ${formatTime(schedules.dataUpdatedAt)}.`
              : `The schedules could not be read: ${schedules.error.message}`}
          </span>
          <Button size="sm" onClick={() => void schedules.refetch()}>
            Retry
          </Button>
        </div>
      )}
      {schedules.isPending && (
        <Delayed>
          <Skeleton width="70%" height={14} />
        </Delayed>
      )}
      {schedules.data && rows.length === 0 && (
        <div className="tab-empty">
          <p>{node.name} is asked nothing at set times.</p>
          {add('primary')}
        </div>
      )}
      {rows.length > 0 && (
        <>
          <div className="row sched-top">
            <span className="grow muted">{plural(rows.length, 'schedule')}</span>
            {add('line')}
          </div>
          <ul className="sched-list" aria-label="Schedules">
            {rows.map((schedule) => (
              <ScheduleItem key={schedule.id} schedule={schedule} onEdit={() => setEdited(schedule)} />
            ))}
          </ul>
        </>
      )}
      {edited && (
        <ScheduleForm node={node} schedule={edited === 'new' ? null : edited} onClose={() => setEdited(null)} />
      )}
    </div>
  );
}
