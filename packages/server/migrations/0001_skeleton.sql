-- The first schema: workspaces and their credentials, messages and their receipts, the event log.
-- Runs the same on PGlite and PostgreSQL >= 15. Text that is sorted or compared uses COLLATE "C", so both order alike.

create type workspace_status as enum (
  'provisioning', 'online', 'degraded', 'offline', 'failed',
  'awaiting_agent', 'paused', 'hibernating', 'hibernated', 'removed'
);

create table workspaces (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  role text,
  tier smallint not null default 3 check (tier between 1 and 4),
  runtime text collate "C" not null default 'langgraph',
  status workspace_status not null default 'provisioning',
  status_changed_at timestamptz not null default now(),
  parent_id uuid references workspaces (id),
  forwarded_to uuid references workspaces (id),
  url text,
  url_source text check (url_source in ('agent', 'provisioner')),
  delivery_mode text check (delivery_mode in ('push', 'poll')),
  agent_card jsonb,
  last_heartbeat_at timestamptz,
  last_error_rate double precision not null default 0,
  last_sample_error text,
  active_tasks int not null default 0,
  uptime_seconds bigint not null default 0,
  current_task text not null default '',
  max_concurrent_tasks int not null default 1 check (max_concurrent_tasks >= 1),
  budget_limit bigint check (budget_limit >= 0),
  monthly_spend bigint not null default 0,
  hibernation_idle_minutes int check (hibernation_idle_minutes > 0),
  idle_since timestamptz,
  last_outbound_at timestamptz,
  workspace_dir text,
  workspace_access text not null default 'none' check (workspace_access in ('none', 'read_only', 'read_write')),
  template text,
  instance_id text,
  runtime_image_digest text,
  platform_inbound_secret text,
  source_bundle_id text,
  enroll_until timestamptz,
  needs_restart boolean not null default false,
  runtime_version text,
  runtime_metadata jsonb,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint failed_has_reason check (status <> 'failed' or last_sample_error is not null),
  constraint access_needs_dir check (workspace_access = 'none' or workspace_dir is not null),
  constraint not_own_parent check (parent_id <> id)
);
create index workspaces_status_idx on workspaces (status);
create index workspaces_parent_idx on workspaces (parent_id);
create index workspaces_created_idx on workspaces (created_at);
-- The liveness sweep reads the oldest beats first.
create index workspaces_heartbeat_idx on workspaces (last_heartbeat_at) where status in ('online', 'degraded');

create table canvas_layouts (
  workspace_id uuid primary key references workspaces (id) on delete cascade,
  x double precision not null default 0,
  y double precision not null default 0,
  collapsed boolean not null default false
);

create table canvas_viewport (
  id smallint primary key default 1 check (id = 1),
  x double precision not null default 0,
  y double precision not null default 0,
  zoom double precision not null default 1,
  saved_at timestamptz not null default now()
);

create table workspace_auth_tokens (
  id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null references workspaces (id) on delete cascade,
  token_hash bytea not null unique,
  prefix text not null,
  created_at timestamptz not null default now(),
  last_used_at timestamptz,
  revoked_at timestamptz,
  -- Set when the workspace was deleted: `GET /workspaces/:id/state` still answers such a token.
  revoked_by_deletion boolean not null default false
);
create index workspace_auth_tokens_live_idx on workspace_auth_tokens (workspace_id) where revoked_at is null;

create table org_api_tokens (
  id uuid primary key default gen_random_uuid(),
  token_hash bytea not null unique,
  prefix text not null,
  name text,
  created_by text,
  org_id uuid references workspaces (id) on delete set null,
  created_at timestamptz not null default now(),
  last_used_at timestamptz,
  revoked_at timestamptz
);
create index org_api_tokens_live_idx on org_api_tokens (token_hash) where revoked_at is null;
create index org_api_tokens_org_idx on org_api_tokens (org_id);
create index org_api_tokens_created_idx on org_api_tokens (created_at desc);

-- Sign-in codes and browser sessions share one shape: a hash that is good for one purpose until a time.
create table sign_in_codes (
  code_hash bytea primary key,
  expires_at timestamptz not null,
  used_at timestamptz
);
create table sessions (
  id uuid primary key default gen_random_uuid(),
  secret_hash bytea not null unique,
  created_by text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null
);
create index sessions_expires_idx on sessions (expires_at);

create table workspace_secrets (
  workspace_id uuid not null references workspaces (id) on delete cascade,
  key text collate "C" not null,
  encrypted_value bytea not null,
  encryption_version smallint not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (workspace_id, key)
);
create table global_secrets (
  key text collate "C" primary key,
  encrypted_value bytea not null,
  encryption_version smallint not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table workspace_token_usage (
  workspace_id uuid not null references workspaces (id) on delete cascade,
  period_start date not null,
  input_tokens bigint not null default 0,
  output_tokens bigint not null default 0,
  call_count bigint not null default 0,
  estimated_cost_usd numeric(12, 6) not null default 0,
  primary key (workspace_id, period_start)
);

-- Append-only; `seq` is allocated under one transaction lock, so it rises in commit order.
create table structure_events (
  id uuid primary key default gen_random_uuid(),
  seq bigint generated always as identity,
  event_type text collate "C" not null,
  workspace_id uuid,
  agent_id uuid,
  target_id uuid,
  payload jsonb not null,
  created_at timestamptz not null default now()
);
create unique index structure_events_seq_idx on structure_events (seq);
create index structure_events_workspace_idx on structure_events (workspace_id, seq);
create index structure_events_created_idx on structure_events (created_at);

create table activity_logs (
  id uuid primary key default gen_random_uuid(),
  seq bigint generated always as identity,
  workspace_id uuid not null references workspaces (id) on delete cascade,
  activity_type text collate "C" not null,
  source_id uuid,
  target_id uuid,
  origin text,
  message_id text,
  metadata jsonb,
  method text,
  summary text,
  request_body jsonb,
  response_body jsonb,
  tool_trace jsonb,
  duration_ms int,
  status text not null default 'ok',
  error_detail text,
  idempotency_key text,
  -- True for rows a poll-mode agent still has to read.
  inbox boolean not null default false,
  injected_at timestamptz,
  answered_at timestamptz,
  created_at timestamptz not null default now()
);
create index activity_logs_type_idx on activity_logs (workspace_id, activity_type, seq desc);
create index activity_logs_created_idx on activity_logs (created_at);
create unique index activity_logs_seq_idx on activity_logs (workspace_id, seq);
create index activity_logs_source_idx on activity_logs (workspace_id, source_id, seq desc) where source_id is not null;
create index activity_logs_target_idx on activity_logs (workspace_id, target_id, seq desc) where target_id is not null;
create unique index activity_logs_idempotency_idx on activity_logs (workspace_id, idempotency_key) where idempotency_key is not null;
create index activity_logs_message_idx on activity_logs (workspace_id, message_id) where message_id is not null;
create index activity_logs_inbox_idx on activity_logs (workspace_id, seq) where inbox and injected_at is null;

create table a2a_queue (
  id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null references workspaces (id) on delete cascade,
  caller_id uuid,
  origin text,
  priority smallint not null default 50,
  body jsonb not null,
  method text not null,
  idempotency_key text,
  body_hash bytea,
  enqueued_at timestamptz not null default clock_timestamp(),
  dispatched_at timestamptz,
  completed_at timestamptz,
  expires_at timestamptz,
  next_attempt_at timestamptz,
  lease_token uuid,
  lease_until timestamptz,
  injected_at timestamptz,
  answered_at timestamptz,
  attempts int not null default 0,
  status text collate "C" not null default 'queued' check (status in ('queued', 'dispatched', 'completed', 'failed', 'dropped')),
  last_error text,
  response_body jsonb
);
create index a2a_queue_claim_idx on a2a_queue (workspace_id, priority desc, enqueued_at) where status = 'queued';
create index a2a_queue_expiry_idx on a2a_queue (expires_at) where status = 'queued' and expires_at is not null;
create index a2a_queue_age_idx on a2a_queue (enqueued_at) where status = 'queued';
create index a2a_queue_lease_idx on a2a_queue (lease_until) where status = 'dispatched';
create index a2a_queue_dispatched_idx on a2a_queue (workspace_id) where status = 'dispatched';
create index a2a_queue_finished_idx on a2a_queue (completed_at) where status in ('completed', 'failed', 'dropped');
-- Finds how a delegation's message ended.
create index a2a_queue_message_idx on a2a_queue (idempotency_key) where idempotency_key is not null;
-- Caller and body are part of the key: two callers may pick one message id, and another body is another message.
create unique index a2a_queue_active_idx on a2a_queue (
  workspace_id, idempotency_key,
  coalesce(caller_id, '00000000-0000-0000-0000-000000000000'::uuid), coalesce(origin, ''), coalesce(body_hash, ''::bytea)
)
  where status in ('queued', 'dispatched') and idempotency_key is not null;

-- No foreign keys: the history of delegations outlives the workspaces.
create table delegations (
  delegation_id text collate "C" primary key,
  caller_id uuid not null,
  callee_id uuid not null,
  task_preview text not null,
  status text collate "C" not null default 'queued' check (status in ('queued', 'dispatched', 'in_progress', 'completed', 'failed', 'stuck')),
  last_heartbeat timestamptz,
  deadline timestamptz not null default now() + interval '6 hours',
  result_preview text,
  error_detail text,
  retry_count int not null default 0,
  idempotency_key text,
  -- What to dispatch, kept until the delegation ends, so that a crash can resume it with the same message id.
  task text not null,
  -- False for delegations the agent dispatched itself (`record`).
  executed_here boolean not null default true,
  inbox_pushed boolean not null default false,
  lease_token uuid,
  lease_until timestamptz,
  injected_at timestamptz,
  answered_at timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index delegations_in_flight_idx on delegations (last_heartbeat) where status in ('queued', 'dispatched', 'in_progress');
create index delegations_deadline_idx on delegations (deadline) where status in ('queued', 'dispatched', 'in_progress');
create index delegations_resume_idx on delegations (created_at) where status = 'queued' and executed_here;
create index delegations_lease_idx on delegations (lease_until) where status in ('dispatched', 'in_progress') and lease_token is not null;
create index delegations_handed_over_idx on delegations (updated_at)
  where status in ('dispatched', 'in_progress') and lease_token is null and executed_here;
create index delegations_unpushed_idx on delegations (updated_at) where status in ('completed', 'failed', 'stuck') and not inbox_pushed;
create index delegations_status_idx on delegations (status, updated_at desc);
create index delegations_caller_idx on delegations (caller_id, created_at desc);
create index delegations_callee_idx on delegations (callee_id, created_at desc);
create unique index delegations_idempotency_idx on delegations (caller_id, idempotency_key) where idempotency_key is not null;

create table leases (
  name text collate "C" primary key,
  holder text not null,
  token uuid not null,
  expires_at timestamptz not null
);
