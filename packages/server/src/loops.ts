// The list of every background loop of the platform, and nothing else.

import type { Activity } from './activity/index.ts';
import type { Auth } from './auth/index.ts';
import type { Config } from './config.ts';
import type { Delegation } from './delegation/index.ts';
import type { Events } from './events/index.ts';
import type { Messaging } from './messaging/index.ts';
import type { Org } from './org/index.ts';
import type { Database } from './platform/db/index.ts';
import type { Loop } from './platform/loops.ts';
import type { Provisioning } from './provisioning/index.ts';
import type { Registry } from './registry/index.ts';

export interface LoopSources {
  db: Database;
  config: Config;
  events: Events;
  auth: Auth;
  provisioning: Provisioning;
  org: Org;
  activity: Activity;
  registry: Registry;
  messaging: Messaging;
  delegation: Delegation;
}

export function listLoops(sources: LoopSources): Loop[] {
  const { db, events, auth, provisioning, activity, registry, messaging, delegation } = sources;
  return [
    {
      name: 'store-maintenance',
      why: 'The embedded database has no checkpointer and no autovacuum of its own.',
      everyMs: 30_000,
      timeoutMs: 60_000,
      runs: 'every-replica',
      run: () => db.maintain(),
    },
    ...events.loops,
    ...auth.loops,
    ...registry.loops,
    ...provisioning.loops,
    ...activity.loops,
    ...messaging.loops,
    ...delegation.loops,
  ];
}
