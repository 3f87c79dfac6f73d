-- Prompts an agent gets at set times (chapter 20 §8).

create table workspace_schedules (
  id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null references workspaces (id) on delete cascade,
  name text collate "C" not null default '',
  cron_expr text not null,
  timezone text not null default 'UTC',
  prompt text not null,
  enabled boolean not null default true,
  last_run_at timestamptz,
  next_run_at timestamptz,
  -- Since when a due run waits for its agent to have room.
  waiting_since timestamptz,
  run_count int not null default 0,
  last_status text collate "C" check (last_status in ('ok', 'error', 'stale', 'skipped')),
  last_error text,
  consecutive_empty_runs int not null default 0,
  source text collate "C" not null default 'runtime' check (source in ('template', 'runtime')),
  -- Not the transaction's time: a template brings several at once, and they are listed in its order.
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp()
);
create unique index workspace_schedules_name_idx on workspace_schedules (workspace_id, name);
create index workspace_schedules_due_idx on workspace_schedules (next_run_at, id) where enabled;

-- A message of a part of the platform: how long an answer may take, and the schedule it is a run of. No foreign key: a run
-- outlives its schedule, and its end would wait for whoever deletes that one.
alter table a2a_queue add column timeout_seconds int check (timeout_seconds > 0);
alter table a2a_queue add column schedule_id uuid;
create unique index a2a_queue_schedule_idx on a2a_queue (schedule_id) where status in ('queued', 'dispatched') and schedule_id is not null;

create index activity_logs_cron_idx on activity_logs (workspace_id, (request_body ->> 'schedule_id'), seq desc) where activity_type = 'cron_run';
