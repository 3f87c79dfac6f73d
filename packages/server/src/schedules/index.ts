// Schedules: prompts an agent gets at set times, each run stored before it is sent and told of exactly once (chapter 20 §8).

import type { FastifyInstance } from 'fastify';
import type { Transaction } from 'kysely';
import type { Activity } from '../activity/index.ts';
import type { Events } from '../events/index.ts';
import type { Messaging } from '../messaging/index.ts';
import type { Clock } from '../platform/clock.ts';
import type { Database, Tables } from '../platform/db/index.ts';
import type { Authorize } from '../platform/http.ts';
import type { Logger } from '../platform/log.ts';
import type { Loop } from '../platform/loops.ts';
import type { Metrics } from '../platform/metrics.ts';
import type { Workspaces } from '../workspaces/index.ts';
import { createFiring, type Firing } from './firing.ts';
import { createScheduleLoops } from './loops.ts';
import { mountScheduleRoutes } from './routes.ts';
import { createScheduleService, type ScheduleService } from './service.ts';
import * as store from './store.ts';

export interface Schedules {
  /** In the transaction that ends a queued message: if it was a run, so does that. */
  onEndIn: Firing['onEndIn'];
  /** What a template gives a workspace. */
  seed: ScheduleService['seed'];
  /** In the transaction that removes these workspaces: nothing of theirs runs any more. */
  disableFor(trx: Transaction<Tables>, workspaceIds: string[]): Promise<void>;
  /** In the caller's transaction: enabled schedules with one of these words in their names run next. @returns how many. */
  makeDue(trx: Transaction<Tables>, words: readonly string[], workspaceId: string | null): Promise<number>;
  loops: Loop[];
  mount(app: FastifyInstance, authorize: Authorize): void;
}

export interface SchedulesDeps {
  db: Database;
  events: Events;
  workspaces: Workspaces;
  activity: Activity;
  messaging: Messaging;
  canCommunicate(a: string, b: string): Promise<boolean>;
  clock: Clock;
  metrics: Metrics;
  log: Logger;
}

export function createSchedules(deps: SchedulesDeps): Schedules {
  const firing = createFiring(deps);
  const service = createScheduleService(deps);
  return {
    onEndIn: firing.onEndIn,
    seed: service.seed,
    disableFor: store.disableOf,
    makeDue: (trx, words, id) => store.makeDue(trx, new Date(deps.clock.now()), words, id),
    loops: createScheduleLoops({ ...deps, firing }),
    mount: (app, authorize) => mountScheduleRoutes(app, authorize, { service, firing }),
  };
}
