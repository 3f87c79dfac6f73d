// Health, metrics, loops and the API description.

import { z } from 'zod';
import { nullableTime } from './common.ts';
import { defineRoutes } from './route.ts';

export const loopState = z.object({
  last_tick_at: nullableTime,
  seconds_ago: z.number().nullable(),
  stale: z.boolean(),
  interval_s: z.number(),
  last_success_at: nullableTime,
  last_error: z.string().nullable(),
  counts: z.record(z.string(), z.number()),
  why: z.string(),
});

export const operationsRoutes = defineRoutes({
  health: {
    method: 'GET',
    path: '/health',
    auth: 'PUB',
    summary: 'Whether the platform serves.',
    replies: {
      200: z.object({ status: z.enum(['ok', 'degraded']), version: z.string(), stale: z.array(z.string()).optional() }),
    },
  },
  metrics: {
    method: 'GET',
    path: '/metrics',
    auth: 'PUB',
    summary: 'Prometheus text.',
    transport: 'text',
    replies: { 200: z.string() },
  },
  liveness: {
    method: 'GET',
    path: '/admin/liveness',
    auth: 'ADMIN',
    summary: 'Every background loop: when it last ran, what it did.',
    replies: { 200: z.object({ subsystems: z.record(z.string(), loopState) }) },
  },
  platformInfo: {
    method: 'GET',
    path: '/admin/info',
    auth: 'ADMIN',
    summary: 'What this platform is made of: version, store, backend, model connection.',
    replies: {
      200: z.object({
        version: z.string(),
        store: z.enum(['embedded', 'postgres']),
        backend: z.string(),
        platform_url: z.string(),
        started_at: z.string(),
        model_keys: z.array(z.string()),
        dev_hatch: z.boolean(),
      }),
    },
  },
  openapi: {
    method: 'GET',
    path: '/openapi.json',
    auth: 'PUB',
    summary: 'This API as an OpenAPI 3.1 document.',
    transport: 'bytes',
    replies: { 200: z.unknown() },
  },
  reference: {
    method: 'GET',
    path: '/docs',
    auth: 'PUB',
    summary: 'This API as a page to browse.',
    transport: 'bytes',
    replies: { 200: z.unknown() },
  },
});
