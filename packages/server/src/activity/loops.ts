// The background work of the activity log: what grew too old, and seats that only look busy.

import type { Config } from '../config.ts';
import type { Events } from '../events/index.ts';
import type { Database } from '../platform/db/index.ts';
import type { Loop } from '../platform/loops.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { Workspaces } from '../workspaces/index.ts';
import * as store from './store.ts';

const RETENTION_BATCH = 5_000;
const PHANTOM_BATCH = 500;

export interface ActivityLoopDeps {
  db: Database;
  config: Config;
  events: Events;
  metrics: Metrics;
  workspaces: Workspaces;
}

export function createActivityLoops({ db, config, events, metrics, workspaces }: ActivityLoopDeps): Loop[] {
  return [
    {
      name: 'activity-retention',
      why: 'The activity log would grow for ever.',
      everyMs: config.activityCleanupHours * 3_600_000,
      timeoutMs: 60_000,
      runs: 'one-replica',
      async run(signal) {
        let deleted = 0;
        for (let batch = RETENTION_BATCH; batch === RETENTION_BATCH && !signal.aborted; deleted += batch)
          batch = await store.deleteOld(db.kysely, config.activityRetentionDays, RETENTION_BATCH);
        return { deleted };
      },
    },
    {
      name: 'phantom-busy',
      why: 'A seat that lost its last beat would look busy for ever and get no messages.',
      everyMs: 300_000,
      timeoutMs: 30_000,
      runs: 'one-replica',
      async run() {
        const reset = await store.resetPhantomBusy(db.kysely, PHANTOM_BATCH);
        for (const id of reset) {
          workspaces.forget(id);
          events.broadcast({ event: 'TASK_UPDATED', workspace_id: id, payload: { current_task: '', active_tasks: 0 } });
        }
        metrics.phantomBusyResets.inc(reset.length);
        return { reset: reset.length };
      },
    },
  ];
}
