// Operating the platform: health, metrics, loops, the API description, the edge rules, the proxies and the canvas' files.

import { operationsRoutes } from '@molecule/contract';
import type { FastifyInstance } from 'fastify';
import type { Auth } from '../auth/index.ts';
import type { Config } from '../config.ts';
import type { Database } from '../platform/db/index.ts';
import { type Authorize, HANDLED, mount } from '../platform/http.ts';
import type { Logger } from '../platform/log.ts';
import type { Supervisor } from '../platform/loops.ts';
import type { Metrics } from '../platform/metrics.ts';
import { serveCanvas } from './canvas.ts';
import { mountControlPlaneProxy } from './control-plane-proxy.ts';
import { renderOpenApi } from './openapi.ts';
import { renderReferencePage } from './reference-page.ts';

export { createEdge, type Edge } from './edge.ts';

export interface OperationsDeps {
  db: Database;
  config: Config;
  auth: Auth;
  log: Logger;
  supervisor: Supervisor;
  metrics: Metrics;
  version: string;
  startedAt: Date;
  instanceId: string;
  backendName: string;
  modelKeys(): Promise<string[]>;
  platformUrl(): string;
}

const toTime = (milliseconds: number | null) => (milliseconds === null ? null : new Date(milliseconds).toISOString());

export function createOperations(deps: OperationsDeps) {
  const { config, log, supervisor, metrics, version } = deps;

  function mountRoutes(app: FastifyInstance, authorize: Authorize): void {
    const document = renderOpenApi(version);
    const page = renderReferencePage(document);
    mount(
      app,
      operationsRoutes,
      {
        health: async () => {
          const stale = supervisor
            .report()
            .filter((loop) => loop.stale)
            .map((loop) => loop.name);
          return stale.length === 0
            ? { status: 'ok' as const, version }
            : { status: 'degraded' as const, version, stale };
        },
        metrics: async ({ reply }) => {
          reply.type('text/plain; version=0.0.4; charset=utf-8').send(await metrics.registry.metrics());
          return HANDLED;
        },
        liveness: async () => {
          const now = Date.now();
          const subsystems = supervisor.report().map((loop) => [
            loop.name,
            {
              last_tick_at: toTime(loop.lastTickAt),
              seconds_ago: loop.lastTickAt === null ? null : Math.round((now - loop.lastTickAt) / 1000),
              stale: loop.stale,
              interval_s: loop.everyMs / 1000,
              last_success_at: toTime(loop.lastSuccessAt),
              last_error: loop.lastError,
              counts: loop.counts,
              why: loop.why,
            },
          ]);
          return { subsystems: Object.fromEntries(subsystems) };
        },
        platformInfo: async () => ({
          version,
          store: deps.db.kind,
          backend: deps.backendName,
          platform_url: deps.platformUrl(),
          started_at: deps.startedAt.toISOString(),
          model_keys: await deps.modelKeys(),
          dev_hatch: config.devHatch,
        }),
        openapi: async ({ reply }) => {
          reply.type('application/json').send(document);
          return HANDLED;
        },
        reference: async ({ reply }) => {
          reply.type('text/html; charset=utf-8').send(page);
          return HANDLED;
        },
      },
      authorize,
    );
  }

  return {
    async mount(app: FastifyInstance, authorize: Authorize): Promise<void> {
      mountRoutes(app, authorize);
      await mountControlPlaneProxy(app, { config, allowedOrigin: deps.auth.allowedOrigin, log });
      await serveCanvas(app, config, log);
    },
  };
}
