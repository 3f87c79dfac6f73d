// Schedules: the wire shapes of chapter 20 §8 and chapter 30 §7.2.

import { z } from 'zod';
import { idParams, nullableTime, status, time, uuid } from './common.ts';
import { defineRoutes } from './route.ts';

export const SCHEDULE_RESULTS = ['ok', 'error', 'stale', 'skipped'] as const;
export type ScheduleResult = (typeof SCHEDULE_RESULTS)[number];

const result = z.enum(SCHEDULE_RESULTS);
const name = z.string().max(255);
const scheduleParams = z.object({ id: uuid, scheduleId: uuid });

/** What a peer may see: neither what is asked nor when. */
export const scheduleHealthRow = z.object({
  id: uuid,
  workspace_id: uuid,
  name: z.string(),
  timezone: z.string(),
  enabled: z.boolean(),
  last_run_at: nullableTime,
  next_run_at: nullableTime,
  run_count: z.number(),
  last_status: result.nullable(),
  last_error: z.string().nullable(),
  source: z.enum(['template', 'runtime']),
  created_at: time,
  updated_at: time,
});

export const scheduleRow = scheduleHealthRow.extend({
  /** Five fields: minute, hour, day of month, month, day of week. */
  cron_expr: z.string(),
  prompt: z.string(),
});
export type ScheduleRow = z.output<typeof scheduleRow>;

export const scheduleRun = z.object({
  timestamp: time,
  duration_ms: z.number().nullable(),
  status: result,
  error_detail: z.string().nullable(),
  request: z.unknown(),
  injected_at: time.optional(),
  answered_at: time.optional(),
});
export type ScheduleRun = z.output<typeof scheduleRun>;

export const scheduleRoutes = defineRoutes({
  listSchedules: {
    method: 'GET',
    path: '/workspaces/:id/schedules',
    auth: 'SELF',
    summary: 'Schedules of a workspace, oldest first.',
    params: idParams,
    replies: { 200: z.array(scheduleRow) },
    errors: ['not_found'],
  },
  createSchedule: {
    method: 'POST',
    path: '/workspaces/:id/schedules',
    auth: 'SELF',
    summary: 'Adds a schedule: a prompt the agent gets at the times of a cron expression.',
    params: idParams,
    body: z.object({
      cron_expr: z.string().min(1),
      prompt: z.string().min(1),
      name: name.default(''),
      timezone: z.string().default('UTC'),
      enabled: z.boolean().default(true),
    }),
    replies: { 201: z.object({ id: uuid, status: z.literal('created'), next_run_at: time }) },
    errors: ['not_found', 'conflict'],
  },
  patchSchedule: {
    method: 'PATCH',
    path: '/workspaces/:id/schedules/:scheduleId',
    auth: 'SELF',
    summary: 'Changes a schedule; a new expression, a new time zone or enabling it computes the next run anew.',
    params: scheduleParams,
    body: z.object({
      cron_expr: z.string().min(1).optional(),
      prompt: z.string().min(1).optional(),
      name: name.optional(),
      timezone: z.string().optional(),
      enabled: z.boolean().optional(),
    }),
    replies: { 200: z.object({ id: uuid, status: z.literal('updated'), next_run_at: nullableTime }) },
    errors: ['not_found', 'conflict'],
  },
  deleteSchedule: {
    method: 'DELETE',
    path: '/workspaces/:id/schedules/:scheduleId',
    auth: 'SELF',
    summary: 'Removes a schedule; a fire that is under way ends as it would have.',
    params: scheduleParams,
    replies: { 200: status('deleted') },
    errors: ['not_found'],
  },
  runSchedule: {
    method: 'POST',
    path: '/workspaces/:id/schedules/:scheduleId/run',
    auth: 'SELF',
    summary: 'Fires a schedule now, in the background. Stored before it is acknowledged; its times stay as they are.',
    params: scheduleParams,
    replies: { 200: z.object({ status: z.literal('fired'), workspace_id: uuid, prompt: z.string() }) },
    errors: ['not_found', 'conflict'],
  },
  listScheduleRuns: {
    method: 'GET',
    path: '/workspaces/:id/schedules/:scheduleId/history',
    auth: 'SELF',
    summary: 'The last 20 runs of a schedule, newest first.',
    params: scheduleParams,
    replies: { 200: z.array(scheduleRun) },
    errors: ['not_found'],
  },
  getScheduleHealth: {
    method: 'GET',
    path: '/workspaces/:id/schedules/health',
    auth: 'CALLER',
    summary: 'How the schedules of a workspace fare, for whoever may talk to it.',
    params: idParams,
    replies: { 200: z.array(scheduleHealthRow) },
    errors: ['not_found', 'access_denied'],
  },
  listScheduleHealth: {
    method: 'GET',
    path: '/admin/schedules/health',
    auth: 'ADMIN',
    summary: 'Every schedule with whether it ran when it should have.',
    replies: {
      200: z.array(
        z.object({
          workspace_id: uuid,
          workspace_name: z.string(),
          schedule_id: uuid,
          schedule_name: z.string(),
          cron_expr: z.string(),
          last_run_at: nullableTime,
          expected_next_run: nullableTime,
          status: z.enum(['never_run', 'stale', 'ok']),
          /** Twice the time between the next two runs; 0 when the expression cannot be read. */
          stale_threshold_seconds: z.number(),
        }),
      ),
    },
  },
});
