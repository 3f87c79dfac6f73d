// The list of every background loop of the platform, and nothing else.

import type { Activity } from './activity/index.ts';
import type { Auth } from './auth/index.ts';
import type { Channels } from './channels/index.ts';
import type { Config } from './config.ts';
import type { Delegation } from './delegation/index.ts';
import type { Events } from './events/index.ts';
import type { Files } from './files/index.ts';
import type { Messaging } from './messaging/index.ts';
import type { Edge } from './operations/index.ts';
import type { Org } from './org/index.ts';
import type { Clock } from './platform/clock.ts';
import type { Database } from './platform/db/index.ts';
import type { Loop } from './platform/loops.ts';
import { createMemoryLoop } from './platform/memory.ts';
import type { Presence } from './platform/presence.ts';
import type { Provisioning } from './provisioning/index.ts';
import type { Registry } from './registry/index.ts';
import type { Schedules } from './schedules/index.ts';
import type { Secrets } from './secrets/index.ts';
import type { Terminals } from './terminal/index.ts';
import type { Webhooks } from './webhooks/index.ts';
import type { Workspaces } from './workspaces/index.ts';

export interface LoopSources {
  db: Database;
  config: Config;
  events: Events;
  auth: Auth;
  workspaces: Workspaces;
  edge: Edge;
  secrets: Secrets;
  provisioning: Provisioning;
  org: Org;
  activity: Activity;
  registry: Registry;
  messaging: Messaging;
  delegation: Delegation;
  schedules: Schedules;
  channels: Channels;
  webhooks: Webhooks;
  files: Files;
  terminals: Terminals;
  clock: Clock;
  presence: Presence;
}

export function listLoops(sources: LoopSources): Loop[] {
  const {
    db,
    events,
    auth,
    workspaces,
    edge,
    secrets,
    provisioning,
    activity,
    registry,
    messaging,
    delegation,
    schedules,
    channels,
    webhooks,
    files,
    terminals,
    clock,
    presence,
  } = sources;
  return [
    {
      name: 'store-maintenance',
      why: 'The embedded database has no checkpointer and no autovacuum of its own.',
      everyMs: 30_000,
      timeoutMs: 60_000,
      runs: 'every-replica',
      run: () => db.maintain(),
    },
    {
      name: 'replica-presence',
      why: 'The other replicas would take this one for dead, and over what it holds.',
      everyMs: 8_000,
      timeoutMs: 5_000,
      runs: 'every-replica',
      run: async () => {
        await presence.assert();
        return {};
      },
    },
    createMemoryLoop({ clock, trimStore: db.trim }),
    ...events.loops,
    ...auth.loops,
    ...edge.loops,
    ...secrets.loops,
    ...workspaces.loops,
    ...registry.loops,
    ...provisioning.loops,
    ...activity.loops,
    ...messaging.loops,
    ...delegation.loops,
    ...schedules.loops,
    ...channels.loops,
    ...webhooks.loops,
    ...files.loops,
    ...terminals.loops,
  ];
}
