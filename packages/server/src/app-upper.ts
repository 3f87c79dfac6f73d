// The upper part of the composition: what nothing below calls but through functions, the loops, and the order in which routes are
// mounted. The lower part, and what it wires, is app.ts. No rule lives here.

import type { FastifyInstance } from 'fastify';
import type { Activity } from './activity/index.ts';
import type { Auth } from './auth/index.ts';
import { createBundles } from './bundles/index.ts';
import { type ChannelHosts, type Channels, createChannels } from './channels/index.ts';
import { type Config, isModelVariable } from './config.ts';
import type { Delegation } from './delegation/index.ts';
import type { Events } from './events/index.ts';
import { createFiles, type Files } from './files/index.ts';
import { listLoops } from './loops.ts';
import type { Messaging } from './messaging/index.ts';
import { createEdge, createOperations } from './operations/index.ts';
import type { Org } from './org/index.ts';
import type { Clock } from './platform/clock.ts';
import type { Database } from './platform/db/index.ts';
import type { Logger } from './platform/log.ts';
import { createSupervisor, type Supervisor } from './platform/loops.ts';
import type { Metrics } from './platform/metrics.ts';
import type { Outbound } from './platform/outbound/index.ts';
import type { Presence } from './platform/presence.ts';
import { createPlugins } from './plugins/index.ts';
import type { Provisioning } from './provisioning/index.ts';
import type { Registry } from './registry/index.ts';
import type { Schedules } from './schedules/index.ts';
import type { Secrets } from './secrets/index.ts';
import { createTerminals } from './terminal/index.ts';
import { createWebhooks, type Webhooks } from './webhooks/index.ts';
import { createWhy } from './why/index.ts';
import type { Workspaces } from './workspaces/index.ts';

export interface LowerParts {
  config: Config;
  db: Database;
  log: Logger;
  clock: Clock;
  metrics: Metrics;
  outbound: Outbound;
  presence: Presence;
  version: string;
  instanceId: string;
  startedAt: Date;
  events: Events;
  auth: Auth;
  workspaces: Workspaces;
  secrets: Secrets;
  provisioning: Provisioning;
  org: Org;
  activity: Activity;
  registry: Registry;
  messaging: Messaging;
  delegation: Delegation;
  schedules: Schedules;
  canCommunicate(a: string, b: string): Promise<boolean>;
  /** Where agents reach the platform. */
  platformUrl(): string;
  channelHosts: Partial<ChannelHosts> | undefined;
}

export interface UpperParts {
  files: Files;
  channels: Channels;
  webhooks: Webhooks;
  supervisor: Supervisor;
  mount(http: FastifyInstance): Promise<void>;
}

export function createUpperParts(parts: LowerParts): UpperParts {
  const { config, db, log, clock, metrics, outbound, presence, events, auth, canCommunicate } = parts;
  const { workspaces, secrets, provisioning, org, activity, registry, messaging, delegation, schedules } = parts;
  const files = createFiles({
    db,
    folders: {
      store: provisioning.files,
      findTemplate: provisioning.findTemplateFolder,
      readModel: async (id, runtime) => (await secrets.readModel(id, runtime)).model,
    },
    workspaces,
    activity,
    outbound,
    readInboundSecret: registry.inboundSecrets.readOrHeal,
    metrics,
    log,
  });
  const plugins = createPlugins({ db, workspaces, log });
  const bundles = createBundles({ db, config, workspaces, secrets, provisioning, log });
  const channels = createChannels({
    ...parts,
    hosts: parts.channelHosts,
    discordKey: config.discordAppPublicKey,
    wake: (loop) => supervisor.wake(loop),
  });
  const webhooks = createWebhooks({
    db,
    messaging,
    workspaces,
    secret: config.githubWebhookSecret,
    makeDue: schedules.makeDue,
  });
  const terminals = createTerminals({
    provisioning,
    workspaces,
    canCommunicate,
    allowedOrigin: auth.allowedOrigin,
    isStillAllowed: auth.isStillAllowed,
    clock,
    log,
  });
  const edge = createEdge(config, auth);
  const supervisor: Supervisor = createSupervisor(listLoops({ ...parts, edge, files, channels, webhooks, terminals }), {
    db,
    clock,
    log,
    presence,
  });
  const operations = createOperations({
    db,
    config,
    auth,
    log,
    supervisor,
    metrics,
    version: parts.version,
    startedAt: parts.startedAt,
    instanceId: parts.instanceId,
    backendName: provisioning.backendName,
    modelKeys: async () =>
      [...new Set([...Object.keys(config.modelEnvironment), ...(await secrets.globalKeys())])].filter(isModelVariable),
    platformUrl: parts.platformUrl,
  });
  const why = createWhy({
    db,
    config,
    workspaces,
    provisioning,
    outbound,
    canCommunicate,
    clock,
    listLoops: () => supervisor.report(),
  });

  return {
    files,
    channels,
    webhooks,
    supervisor,
    async mount(http) {
      // Edge first: headers, limits and origins guard every route that follows.
      await edge.install(http);
      auth.mount(http);
      await operations.mount(http, auth.authorize);
      const mounted = [workspaces, secrets, org, bundles, plugins, activity, files, terminals, provisioning, registry];
      for (const part of [...mounted, messaging, delegation, schedules, channels, webhooks, why])
        part.mount(http, auth.authorize);
      events.mount(http, auth.authorize, {
        canCommunicate,
        workspaceExists: async (id) => {
          const facts = await workspaces.facts(id);
          return facts !== null && facts.status !== 'removed';
        },
        isStillAllowed: auth.isStillAllowed,
      });
    },
  };
}
