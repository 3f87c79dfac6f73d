// One schedule of the list: when it runs, on whose clocks, what came of it last, and what can be done with it.

import type { ScheduleRow } from '@molecule/contract';
import { MoreHorizontal, Pencil, Play, Trash2 } from 'lucide-react';
import { useState } from 'react';
import { useConnection } from '../../live/index.ts';
import {
  Button,
  ConfirmDialog,
  Icon,
  IconButton,
  Menu,
  type MenuItem,
  plural,
  RelativeTime,
  Switch,
} from '../../ui/index.ts';
import { useTabState } from '../tab-state.ts';
import { describeCron, formatInZone } from './cron.ts';
import { Result, RunHistory } from './run-history.tsx';
import { useScheduleActions } from './use-schedules.ts';

const UNREACHABLE = 'The platform is out of reach';

function Facts({ schedule }: { schedule: ScheduleRow }) {
  const { enabled, next_run_at: next, last_run_at: last, last_status: result, run_count: count, timezone } = schedule;
  return (
    <p className="sched-facts muted num">
      <span>{!enabled ? 'Off' : next ? `Next ${formatInZone(next, timezone)}` : 'No next run'}</span>
      {last && (
        <span>
          Last <RelativeTime at={last} />
        </span>
      )}
      <span>{count === 0 ? 'Never run' : plural(count, 'run')}</span>
      {result && <Result of={result} />}
    </p>
  );
}

export function ScheduleItem({ schedule, onEdit }: { schedule: ScheduleRow; onEdit(): void }) {
  const { id, workspace_id, name, run_count: count } = schedule;
  const title = name || 'Without a name';
  const { canWrite } = useConnection();
  const [isOpen, setOpen] = useTabState(`${workspace_id}.schedule.open.${id}`, false);
  const [firedAt, setFiredAt] = useState<number | null>(null);
  const [isDeleting, setDeleting] = useState(false);
  const actions = useScheduleActions(workspace_id, schedule, () => {
    setFiredAt(count);
    setOpen(true);
  });
  const items: MenuItem[] = [
    { id: 'edit', label: 'Change…', icon: Pencil, onSelect: onEdit },
    { id: 'delete', label: 'Delete…', icon: Trash2, danger: true, onSelect: () => setDeleting(true) },
  ];
  const allowed = items.map((item) => (canWrite ? item : { ...item, disabledReason: UNREACHABLE }));
  return (
    <li className="sched" data-testid="schedule-row">
      <div className="row sched-head">
        <h3 className="clip" title={title}>
          {title}
        </h3>
        {schedule.source === 'template' && (
          <span className="tag line" title="An import of the template refreshes it, until it is changed here">
            template
          </span>
        )}
        <span className="grow" />
        <Switch label={`${title} enabled`} checked={schedule.enabled} onChange={actions.setEnabled} />
        <Menu groups={[allowed]}>
          <IconButton label={`More for ${title}`} small>
            <Icon of={MoreHorizontal} small />
          </IconButton>
        </Menu>
      </div>
      <p>{describeCron(schedule.cron_expr, schedule.timezone)}</p>
      <p className="sched-prompt soft">{schedule.prompt}</p>
      <Facts schedule={schedule} />
      {schedule.last_error && <p className="sched-error">{schedule.last_error}</p>}
      <div className="row sched-acts">
        <Button
          size="sm"
          look="line"
          busy={actions.isBusy}
          disabled={!canWrite}
          title={canWrite ? undefined : UNREACHABLE}
          onClick={actions.fire}
        >
          <Icon of={Play} small /> Run now
        </Button>
        <Button size="sm" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
          {isOpen ? 'Hide history' : 'History'}
        </Button>
      </div>
      {isOpen && <RunHistory schedule={schedule} isFired={firedAt === count} />}
      {isDeleting && (
        <ConfirmDialog
          title={`Delete ${title}?`}
          lead="It does not run again. A run that is under way ends as it would have."
          action="Delete"
          danger
          onConfirm={actions.remove}
          onClose={() => setDeleting(false)}
        />
      )}
    </li>
  );
}
