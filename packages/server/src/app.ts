// Composition root: builds the domains by hand in layer order and wires what goes sideways or up through functions.
// No rule lives here. `createPlatform` opens nothing but the database it is given and listens only when told.

import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import cookie from '@fastify/cookie';
import websocket from '@fastify/websocket';
import type { FastifyInstance } from 'fastify';
import { type Activity, createActivity } from './activity/index.ts';
import { createUpperParts, type UpperParts } from './app-upper.ts';
import { type Auth, createAuth } from './auth/index.ts';
import type { ChannelHosts, Channels } from './channels/index.ts';
import type { Config } from './config.ts';
import { createDelegation, type Delegation } from './delegation/index.ts';
import { createEvents, type Events } from './events/index.ts';
import type { Files } from './files/index.ts';
import { createMessaging, hasWaiting, type Messaging } from './messaging/index.ts';
import { createHierarchy } from './org/hierarchy.ts';
import { createOrg, type Org } from './org/index.ts';
import { type Clock, systemClock } from './platform/clock.ts';
import { type Database, migrate } from './platform/db/index.ts';
import { createHttpServer } from './platform/http.ts';
import type { Logger } from './platform/log.ts';
import type { Supervisor } from './platform/loops.ts';
import { createMetrics } from './platform/metrics.ts';
import { createOutbound, type Resolve } from './platform/outbound/index.ts';
import { createPresence } from './platform/presence.ts';
import { createProvisioning, type Provisioning } from './provisioning/index.ts';
import { createRegistry, type Registry } from './registry/index.ts';
import { createSchedules, type Schedules } from './schedules/index.ts';
import { createSecrets, type Secrets } from './secrets/index.ts';
import type { Webhooks } from './webhooks/index.ts';
import { createWorkspaces, type Workspaces } from './workspaces/index.ts';

export const MIGRATIONS_DIR = join(import.meta.dirname, '../migrations');

export interface PlatformOptions {
  config: Config;
  db: Database;
  log: Logger;
  clock?: Clock;
  version: string;
  /** Program and arguments that run as an agent process instead of the runtime of this repository. */
  agentCommand?: readonly string[];
  /** Looks names of agents up instead of the system's resolver. */
  resolve?: Resolve;
  /** Told the namespaces of purged workspaces, `workspace:<id>`, so that what they remembered can be forgotten (chapter 10 §2.9). */
  onPurged?: readonly ((namespace: string) => Promise<void>)[];
  /** Where the APIs of social channels are, instead of their own addresses. */
  channelHosts?: Partial<ChannelHosts>;
}

export interface Platform {
  http: FastifyInstance;
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
  channels: Channels;
  webhooks: Webhooks;
  files: Files;
  supervisor: Supervisor;
  /** Serves, then starts the loops: recovery never comes before serving (ruling R10). @returns the address people open. */
  listen(): Promise<{ url: string; port: number }>;
  /** Ends loops, sockets and workloads and flushes what is being stored; the database stays open. */
  close(): Promise<void>;
}

export async function createPlatform({
  config,
  db,
  log,
  clock = systemClock,
  version,
  agentCommand,
  resolve,
  onPurged = [],
  channelHosts,
}: PlatformOptions): Promise<Platform> {
  await migrate(db, MIGRATIONS_DIR);
  const instanceId = randomUUID();
  const presence = createPresence(db, instanceId);
  const startedAt = new Date(clock.now());
  const metrics = createMetrics();
  const http = createHttpServer({ log, metrics, trustedProxies: config.trustedProxies });
  await http.register(cookie);
  await http.register(websocket, { options: { maxPayload: 64 * 1024 } });

  const outbound = createOutbound({
    mode: config.isSaas ? 'saas' : config.isDevelopment ? 'dev' : 'strict',
    log,
    ...(resolve ? { resolve } : {}),
  });
  const events = createEvents({
    db,
    log,
    metrics,
    instanceId,
    clock,
    restore: (frame) => activity.restore(frame),
  });
  const auth = await createAuth({ db, config, log, clock });
  /** Filled by listen(): with port 0 the address is known only then. */
  const address = { url: config.platformUrl };
  const publicUrl = (request: { protocol: string; host: string }) =>
    config.externalPlatformUrl ?? `${request.protocol}://${request.host}`;

  const workspaces = createWorkspaces({
    db,
    events,
    log,
    publicUrl,
    ports: {
      provision: (id) => void provisioning.provision(id),
      stop: (id) => provisioning.stop(id),
      remove: (id) => provisioning.remove(id),
      restart: (id, request) => provisioning.restartWith(id, request),
      hasBackend: () => provisioning.hasBackend(),
      readLog: (id, lines) => provisioning.readLog(id, lines),
      readTemplate: (name) => provisioning.readTemplate(name),
      chooseRuntime: () => provisioning.chooseRuntime(),
      provisionTimeoutMs: (runtime) => provisioning.provisionTimeoutMs(runtime),
      saveSecrets: (trx, id, values) => secrets.saveMany(trx, id, values),
      readModel: (id, runtime) => secrets.readModel(id, runtime),
      saveModel: (id, model) => secrets.saveModel(id, model),
      mintToken: async (trx, id) => (await auth.tokens.mint(trx, id)).token,
      rotateToken: async (trx, id) => {
        await auth.tokens.revokeAll(trx, [id], { byDeletion: false });
        return await auth.tokens.mint(trx, id);
      },
      revokeTokens: async (trx, ids) => void (await auth.tokens.revokeAll(trx, ids, { byDeletion: true })),
      forgetTokens: () => auth.tokens.forget(),
      endMessaging: async (trx, ids, reason) => {
        // First: what comes in by them until then is dropped with the rest.
        await upper.channels.disableFor(trx, ids);
        await messaging.dropFor(trx, ids, reason);
        await delegation.failFor(trx, ids);
        await schedules.disableFor(trx, ids);
      },
      onPurged,
      canCommunicate: (a, b) => canCommunicate(a, b),
      judgeUrl: async (url) => refusalOf(await outbound.judge(url, 'register')),
    },
  });
  const canCommunicate = createHierarchy(workspaces.facts);
  const secrets = await createSecrets({
    db,
    config,
    workspaces,
    log,
    clock,
    restart: (ids) => {
      for (const id of ids) provisioning.restart(id, 'secrets changed');
    },
  });
  const provisioning: Provisioning = await createProvisioning({
    db,
    config,
    workspaces,
    secrets,
    auth,
    events,
    log,
    clock,
    platformUrl: () => address.url,
    findOrgFiles: (row) => org.findOrgFiles(row),
    agentCommand,
  });
  const judgeUrl = async (url: string) => refusalOf(await outbound.judge(url, 'register'));
  const org: Org = createOrg({
    db,
    config,
    workspaces,
    secrets,
    provisioning,
    judgeUrl,
    seedSchedules: (executor, id, wanted) => schedules.seed(executor, id, wanted),
    log,
  });
  const activity: Activity = createActivity({
    db,
    config,
    events,
    metrics,
    log,
    workspaces,
    onInjected: (id, messages) => delegation.noteInjected(id, messages),
  });
  const registry = createRegistry({
    db,
    events,
    auth,
    workspaces,
    config: { externalStaleSeconds: config.remoteLivenessStaleSeconds },
    clock,
    startedAt,
    log,
    restart: (id) => provisioning.revive(id, 'no heartbeat'),
    ports: {
      hasWaiting,
      drain: (id) => messaging.drain(id),
      noteBeat: (id, beat, waits) => messaging.noteBeat(id, beat, waits),
      noteActiveMessages: async (id, messages) => {
        await messaging.noteActive(id, messages);
        await delegation.noteInjected(id, messages);
      },
      noteActiveDelegations: (id, delegations) => delegation.noteActive(id, delegations),
      canCommunicate,
      judgeUrl: async (url, purpose, trusted) => (trusted ? null : refusalOf(await outbound.judge(url, purpose))),
    },
  });
  const messaging: Messaging = createMessaging({
    db,
    config,
    events,
    workspaces,
    activity,
    outbound,
    canCommunicate,
    metrics,
    log,
    clock,
    presence,
    publicUrl,
    liveness: {
      check: (id) => provisioning.isRunning(id),
      hasBackend: () => provisioning.hasBackend(),
      restart: (id, reason) => provisioning.revive(id, reason),
    },
    onQueueOutcome: (message, outcome) => delegation.onQueueOutcome(message, outcome),
    onDelegationMessage: (message) => delegation.onMessage(message),
    onEndIn: async (trx, item, end) => {
      await upper.channels.onEndIn(trx, item, end);
      return await schedules.onEndIn(trx, item, end);
    },
  });
  const delegation: Delegation = createDelegation({ db, config, events, workspaces, activity, messaging, log });
  const schedules: Schedules = createSchedules({
    db,
    events,
    workspaces,
    activity,
    messaging,
    canCommunicate,
    clock,
    metrics,
    log,
  });
  const upper: UpperParts = createUpperParts({
    config,
    db,
    log,
    clock,
    metrics,
    outbound,
    presence,
    version,
    instanceId,
    startedAt,
    events,
    auth,
    workspaces,
    secrets,
    provisioning,
    org,
    activity,
    registry,
    messaging,
    delegation,
    schedules,
    canCommunicate,
    platformUrl: () => address.url,
    channelHosts,
  });
  const { files, supervisor } = upper;
  await upper.mount(http);

  return {
    http,
    events,
    auth,
    workspaces,
    secrets,
    provisioning,
    org,
    activity,
    registry,
    messaging,
    delegation,
    schedules,
    channels: upper.channels,
    webhooks: upper.webhooks,
    files,
    supervisor,
    async listen() {
      await events.start();
      await auth.start();
      await workspaces.start();
      await provisioning.claim();
      await http.listen({ host: config.host, port: config.port });
      const bound = http.addresses()[0];
      const port = typeof bound === 'object' ? bound.port : config.port;
      const host = config.host.includes(':')
        ? `[${config.host}]`
        : config.host === '0.0.0.0'
          ? '127.0.0.1'
          : config.host;
      const url = `http://${host}:${port}`;
      // An explicit PLATFORM_URL counts; the derived one follows the port that was really bound.
      if (config.port === 0) address.url = withPort(config.platformUrl, port);
      await provisioning.start();
      supervisor.start();
      return { url, port };
    },
    async close() {
      await supervisor.stop();
      await provisioning.shutdown();
      await http.close();
      await delegation.close();
      await messaging.close();
      await upper.channels.close();
      // Until here calls were under way that another replica must leave to this one.
      await presence.end().catch((error: unknown) => log.warn({ err: error }, 'this replica could not sign off'));
      await registry.flush();
      await activity.close();
      await workspaces.stop();
      await auth.stop();
      await events.stop();
      await outbound.close();
    },
  };
}

/** Port 0 is free to be any: what was derived from it follows, what the operator gave stays. */
function withPort(platformUrl: string, port: number): string {
  return platformUrl.replace(/:0$/, `:${port}`);
}

/** Null when the guard lets the address pass. */
function refusalOf(verdict: { ok: true } | { ok: false; reason: string }): string | null {
  return verdict.ok ? null : verdict.reason;
}
