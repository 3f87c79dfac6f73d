// Workspaces: identity, settings and the lifecycle table of a seat (chapter 10 §1–2).
// Does not own its workload (provisioning), its beats (registry) or its messages (messaging).

import type { FastifyInstance } from 'fastify';
import type { Kysely, Transaction } from 'kysely';
import type { Events } from '../events/index.ts';
import type { Database, Tables } from '../platform/db/index.ts';
import type { Authorize } from '../platform/http.ts';
import type { TransitionInput } from '../platform/lifecycle.ts';
import type { Logger } from '../platform/log.ts';
import type { Loop } from '../platform/loops.ts';
import { createAgents } from './agents.ts';
import { createConfigStore } from './config-data.ts';
import { createCredentials } from './credentials.ts';
import { createFactsCache, FACTS_CHANNEL, type WorkspaceFacts } from './facts.ts';
import type { WorkspaceRow, WorkspaceTransition } from './lifecycle.ts';
import { createRemoval } from './removal.ts';
import { mountWorkspaceRoutes } from './routes.ts';
import { mountSeatRoutes } from './seat-routes.ts';
import { createWorkspaceService, type NewWorkspace, type WorkspacePorts, type WorkspaceService } from './service.ts';
import { createSleep } from './sleep.ts';
import * as store from './store.ts';
import { createSuspension } from './suspension.ts';

export { agentLifecycle } from './agents.ts';
export type { WorkspaceFacts } from './facts.ts';
export { type WorkspaceRow, type WorkspaceTransition, workspaceLifecycle } from './lifecycle.ts';
export { assertKnownRuntime, listKnownRuntimes, RUNTIME_CHOICE } from './runtimes.ts';
export type { NewWorkspace, WorkspacePorts } from './service.ts';

export interface Workspaces {
  /** Cached; unknown = null, removed = status `removed`. */
  facts(id: string): Promise<WorkspaceFacts | null>;
  /** Drops the cached facts here and on the other replicas. */
  forget(id: string): void;
  /** Moves the status along one edge of the table, in its own transaction; null when the row was elsewhere. */
  transition(event: WorkspaceTransition, id: string, input?: TransitionInput): Promise<WorkspaceRow | null>;
  transitionIn(
    trx: Transaction<Tables>,
    event: WorkspaceTransition,
    id: string,
    input?: TransitionInput,
  ): Promise<WorkspaceRow | null>;
  /** Row, layout and WORKSPACE_PROVISIONING event in the caller's transaction. */
  createIn(trx: Transaction<Tables>, input: NewWorkspace): Promise<WorkspaceRow>;
  findByParentAndName(
    executor: Kysely<Tables> | Transaction<Tables>,
    parentId: string | null,
    name: string,
  ): Promise<{ id: string; tier: number; x: number; y: number } | null>;
  get(id: string): Promise<WorkspaceRow | null>;
  listById(ids: readonly string[]): Promise<WorkspaceRow[]>;
  /** The workspace and its ancestors up to the root, itself first. */
  listAncestry(id: string): ReturnType<typeof store.listAncestry>;
  service: WorkspaceService;
  loops: Loop[];
  start(): Promise<void>;
  stop(): Promise<void>;
  mount(app: FastifyInstance, authorize: Authorize): void;
}

export interface WorkspacesDeps {
  db: Database;
  events: Events;
  log: Logger;
  ports: WorkspacePorts;
  publicUrl(request: { protocol: string; host: string }): string;
}

export function createWorkspaces({ db, events, log, ports, publicUrl }: WorkspacesDeps): Workspaces {
  const facts = createFactsCache(db, (error) =>
    log.warn({ err: error }, 'other replicas could not be told of a change'),
  );
  const service = createWorkspaceService({ db, events, facts, ports });
  const parts = { db, events, facts, ports, service, log };
  const removal = createRemoval(parts);
  const suspension = createSuspension(parts);
  const sleep = createSleep(parts);
  const agents = createAgents({ db, events, canCommunicate: ports.canCommunicate });
  const config = createConfigStore(db);
  const credentials = createCredentials({ db, events, ports });
  let unlisten: (() => Promise<void>) | null = null;
  // Status, card and place change with an event, whichever replica made it; beats change nothing that is cached unless they say so.
  const unsubscribe = events.subscribe((frame) => {
    if (frame.event.startsWith('WORKSPACE_') && frame.event !== 'WORKSPACE_HEARTBEAT') facts.drop(frame.workspace_id);
    else if (frame.event === 'AGENT_CARD_UPDATED') facts.drop(frame.workspace_id);
    else if (frame.event === 'RESYNC_REQUIRED') facts.clear();
  });

  return {
    facts: facts.get,
    forget: facts.forget,
    transition: service.transition,
    transitionIn: service.transitionIn,
    createIn: service.createIn,
    findByParentAndName: store.findByParentAndName,
    get: (id) => store.findWorkspace(db.kysely, id),
    listById: (ids) => store.listWorkspacesById(db.kysely, ids),
    listAncestry: (id) => store.listAncestry(db.kysely, id),
    service,
    loops: sleep.loops,
    async start() {
      if (db.kind === 'postgres')
        unlisten = await db.listen(FACTS_CHANNEL, (id) => (id === '' ? facts.clear() : facts.drop(id)));
    },
    async stop() {
      unsubscribe();
      await unlisten?.();
    },
    mount(app, authorize) {
      mountWorkspaceRoutes(app, authorize, { service, removal, suspension, sleep, ports, publicUrl });
      mountSeatRoutes(app, authorize, { service, agents, config, credentials, publicUrl });
    },
  };
}
