// The rules of keeping schedules: what is accepted, what a change recomputes, what a template may refresh (chapter 20 §8).

import type { scheduleRoutes } from '@molecule/contract';
import type { z } from 'zod';
import type { Clock } from '../platform/clock.ts';
import { type Database, isUniqueViolation } from '../platform/db/index.ts';
import { invalid, notFound, PlatformError } from '../platform/errors.ts';
import type { Logger } from '../platform/log.ts';
import type { Workspaces } from '../workspaces/index.ts';
import { findIntervalSeconds, requireNextRun } from './cron.ts';
import type { Executor, ScheduleContent, ScheduleRow } from './store.ts';
import * as store from './store.ts';

const STALE_INTERVALS = 2;
const MOST_NAME = 255;

export interface ScheduleServiceDeps {
  db: Database;
  workspaces: Workspaces;
  canCommunicate(a: string, b: string): Promise<boolean>;
  clock: Clock;
  log: Logger;
}

type Patch = z.output<typeof scheduleRoutes.patchSchedule.body>;

/** Line ends as agents expect them. @throws invalid_request when nothing is left. */
function cleanPrompt(prompt: string): string {
  const text = prompt.replaceAll('\r', '');
  if (text === '') throw invalid('prompt', 'must not be empty');
  return text;
}

async function withUniqueName<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isUniqueViolation(error, 'workspace_schedules_name_idx')) throw error;
    throw new PlatformError('conflict', 'name: the workspace has a schedule of that name', { field: 'name' });
  }
}

export function createScheduleService({ db, workspaces, canCommunicate, clock, log }: ScheduleServiceDeps) {
  const now = () => new Date(clock.now());

  async function assertLive(id: string): Promise<void> {
    const facts = await workspaces.facts(id);
    if (!facts || facts.status === 'removed') throw notFound('workspace');
  }

  async function findOf(workspaceId: string, id: string): Promise<ScheduleRow> {
    const row = await store.findOf(db.kysely, workspaceId, id);
    if (!row) throw notFound('schedule');
    return row;
  }

  /** The next run as the change leaves it: anew for other times, and for one that was off. */
  function nextAfter(row: ScheduleRow, content: ScheduleContent): Date | null {
    const isMoved = content.cron_expr !== row.cron_expr || content.timezone !== row.timezone;
    const isEnabled = content.enabled && !row.enabled;
    return isMoved || isEnabled ? requireNextRun(content.cron_expr, content.timezone, now()) : row.next_run_at;
  }

  function judgeHealth(row: ScheduleRow): { status: 'never_run' | 'stale' | 'ok'; seconds: number } {
    const seconds = STALE_INTERVALS * (findIntervalSeconds(row.cron_expr, row.timezone, now()) ?? 0);
    if (row.last_run_at === null) return { status: 'never_run', seconds };
    return { status: now().getTime() - row.last_run_at.getTime() > seconds * 1000 ? 'stale' : 'ok', seconds };
  }

  return {
    /** @throws not_found */
    assertLive,
    /** @throws not_found */
    async list(workspaceId: string): Promise<ScheduleRow[]> {
      await assertLive(workspaceId);
      return await store.listOf(db.kysely, workspaceId);
    },
    /** @throws not_found, invalid_request, conflict */
    async create(workspaceId: string, body: ScheduleContent): Promise<{ id: string; next: Date }> {
      await assertLive(workspaceId);
      const content = { ...body, prompt: cleanPrompt(body.prompt) };
      const next = requireNextRun(content.cron_expr, content.timezone, now());
      return { id: await withUniqueName(() => store.insert(db.kysely, workspaceId, content, next)), next };
    },
    /** @throws not_found, invalid_request, conflict. @returns the next run. */
    async patch(workspaceId: string, id: string, body: Patch): Promise<Date | null> {
      await assertLive(workspaceId);
      const given = body.prompt === undefined ? body : { ...body, prompt: cleanPrompt(body.prompt) };
      return await withUniqueName(() =>
        db.tx(async (trx) => {
          const row = await store.lockOf(trx, workspaceId, id);
          if (!row) throw notFound('schedule');
          const { name, cron_expr, timezone, prompt, enabled } = row;
          const content = Object.assign({ name, cron_expr, timezone, prompt, enabled }, given);
          const next = nextAfter(row, content);
          await store.update(trx, id, content, next);
          return next;
        }),
      );
    },
    /** @throws not_found */
    async remove(workspaceId: string, id: string): Promise<void> {
      if (!(await store.remove(db.kysely, workspaceId, id))) throw notFound('schedule');
    },
    /** @throws not_found */
    async listRuns(workspaceId: string, id: string): Promise<store.RunRow[]> {
      await findOf(workspaceId, id);
      return await store.listRuns(db.kysely, workspaceId, id);
    },
    /** `callerId` null: a person or operator. @throws access_denied, not_found */
    async listFor(callerId: string | null, workspaceId: string): Promise<ScheduleRow[]> {
      if (callerId !== null && !(await canCommunicate(callerId, workspaceId)))
        throw new PlatformError('access_denied', 'access denied: workspaces cannot communicate per hierarchy rules');
      await assertLive(workspaceId);
      return await store.listOf(db.kysely, workspaceId);
    },
    listHealth: async () =>
      (await store.listAll(db.kysely)).map((row) => ({ row, name: row.workspace_name, ...judgeHealth(row) })),
    /** What a template gives a workspace; others' schedules stay. @returns the names of those that cannot run. */
    async seed(db: Executor, workspaceId: string, wanted: readonly ScheduleContent[]): Promise<string[]> {
      const skipped: string[] = [];
      for (const one of wanted) {
        try {
          const content = { ...one, name: one.name.slice(0, MOST_NAME), prompt: cleanPrompt(one.prompt) };
          const next = requireNextRun(content.cron_expr, content.timezone, now());
          await store.upsertFromTemplate(db, workspaceId, content, next);
        } catch (error) {
          if (!(error instanceof PlatformError)) throw error;
          log.warn({ workspace_id: workspaceId, schedule: one.name, reason: error.message }, 'a schedule was skipped');
          skipped.push(one.name);
        }
      }
      return skipped;
    },
  };
}

export type ScheduleService = ReturnType<typeof createScheduleService>;
