// Prometheus counters and gauges of one platform instance (chapter 10 §2.7). No global registry: tests run several.

import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';

const LAG_SAMPLE_MS = 250;

export interface Metrics {
  registry: Registry;
  requests: Counter<'method' | 'path' | 'status'>;
  requestSeconds: Counter<'method' | 'path' | 'status'>;
  sockets: Gauge;
  phantomBusyResets: Counter;
  uploadsSwept: Counter<'outcome'>;
  failOpen: Counter<'check'>;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  // The default of 10 ms wakes an idle process a hundred times a second: a third of a percent of a core for nothing.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: LAG_SAMPLE_MS });
  return {
    registry,
    requests: new Counter({
      name: 'molecule_http_requests_total',
      help: 'HTTP requests answered.',
      labelNames: ['method', 'path', 'status'],
      registers,
    }),
    requestSeconds: new Counter({
      name: 'molecule_http_request_duration_seconds_total',
      help: 'Seconds spent answering HTTP requests.',
      labelNames: ['method', 'path', 'status'],
      registers,
    }),
    sockets: new Gauge({ name: 'molecule_websocket_connections_active', help: 'Open event sockets.', registers }),
    phantomBusyResets: new Counter({
      name: 'molecule_phantom_busy_resets_total',
      help: 'Workspaces whose task count was reset after ten silent minutes.',
      registers,
    }),
    uploadsSwept: new Counter({
      name: 'molecule_pending_uploads_swept_total',
      help: 'Staged files that were deleted: acknowledged, expired; and sweeps that failed.',
      labelNames: ['outcome'],
      registers,
    }),
    failOpen: new Counter({
      name: 'molecule_fail_open_total',
      help: 'Checks that were skipped because their lookup failed.',
      labelNames: ['check'],
      registers,
    }),
  };
}
