// The registry: agents announce themselves, beat, find each other; silent ones are noticed (chapter 10 §3–4).
// Does not own tokens (auth), status edges (workspaces) or starting workloads (provisioning).

import type { FastifyInstance } from 'fastify';
import type { Auth } from '../auth/index.ts';
import type { Events } from '../events/index.ts';
import type { Clock } from '../platform/clock.ts';
import type { Database } from '../platform/db/index.ts';
import type { Authorize } from '../platform/http.ts';
import type { Logger } from '../platform/log.ts';
import type { Loop } from '../platform/loops.ts';
import type { Workspaces } from '../workspaces/index.ts';
import { createInboundSecrets, type InboundSecrets } from './inbound-secret.ts';
import { createLivenessLoop } from './loops.ts';
import { mountRegistryRoutes } from './routes.ts';
import { createRegistryService, type RegistryPorts } from './service.ts';

export type { RegistryPorts } from './service.ts';

export interface Registry {
  inboundSecrets: InboundSecrets;
  loops: Loop[];
  /** Waits for the beats that are being stored. */
  flush(): Promise<void>;
  mount(app: FastifyInstance, authorize: Authorize): void;
}

export interface RegistryConfig {
  externalStaleSeconds: number;
}

export function createRegistry(deps: {
  db: Database;
  events: Events;
  auth: Auth;
  workspaces: Workspaces;
  ports: RegistryPorts;
  config: RegistryConfig;
  clock: Clock;
  startedAt: Date;
  restart(id: string): void;
  log: Logger;
}): Registry {
  const { db, events, auth, workspaces, ports, log } = deps;
  const inboundSecrets = createInboundSecrets(db, log, deps.clock);
  const service = createRegistryService({ db, events, auth, workspaces, secrets: inboundSecrets, ports, log });
  return {
    inboundSecrets,
    loops: [
      createLivenessLoop({
        db,
        workspaces,
        clock: deps.clock,
        startedAt: deps.startedAt,
        externalStaleSeconds: deps.config.externalStaleSeconds,
        restart: deps.restart,
      }),
    ],
    flush: service.flush,
    mount: (app, authorize) =>
      mountRegistryRoutes(app, authorize, { service, auth, canCommunicate: ports.canCommunicate }),
  };
}
