// Generated from the migrations by scripts/generate-tables.ts; do not edit.

import type { ColumnType, Generated, GeneratedAlways } from 'kysely';

/** Read as parsed JSON; written as text, or through `json()`. */
export type Json = ColumnType<unknown, unknown, unknown>;
export type Timestamp = ColumnType<Date, Date | string, Date | string>;
export type GeneratedTimestamp = ColumnType<Date, Date | string | undefined, Date | string>;

export interface A2aQueueTable {
  id: Generated<string>;
  workspace_id: string;
  caller_id: string | null;
  origin: string | null;
  priority: Generated<number>;
  body: Json;
  method: string;
  idempotency_key: string | null;
  body_hash: Buffer | null;
  enqueued_at: GeneratedTimestamp;
  dispatched_at: Timestamp | null;
  completed_at: Timestamp | null;
  expires_at: Timestamp | null;
  next_attempt_at: Timestamp | null;
  lease_token: string | null;
  lease_until: Timestamp | null;
  injected_at: Timestamp | null;
  answered_at: Timestamp | null;
  attempts: Generated<number>;
  status: Generated<string>;
  last_error: string | null;
  response_body: Json | null;
  timeout_seconds: number | null;
  schedule_id: string | null;
}

export interface ActivityLogsTable {
  id: Generated<string>;
  seq: GeneratedAlways<number>;
  workspace_id: string;
  activity_type: string;
  source_id: string | null;
  target_id: string | null;
  origin: string | null;
  message_id: string | null;
  metadata: Json | null;
  method: string | null;
  summary: string | null;
  request_body: Json | null;
  response_body: Json | null;
  tool_trace: Json | null;
  duration_ms: number | null;
  status: Generated<string>;
  error_detail: string | null;
  idempotency_key: string | null;
  inbox: Generated<boolean>;
  injected_at: Timestamp | null;
  answered_at: Timestamp | null;
  created_at: GeneratedTimestamp;
}

export interface AgentsTable {
  id: Generated<string>;
  workspace_id: string;
  model: string;
  status: Generated<string>;
  removed_at: Timestamp | null;
  removal_reason: string | null;
  created_at: GeneratedTimestamp;
}

export interface CanvasLayoutsTable {
  workspace_id: string;
  x: Generated<number>;
  y: Generated<number>;
  collapsed: Generated<boolean>;
}

export interface CanvasViewportTable {
  id: Generated<number>;
  x: Generated<number>;
  y: Generated<number>;
  zoom: Generated<number>;
  saved_at: GeneratedTimestamp;
}

export interface DelegationsTable {
  delegation_id: string;
  caller_id: string;
  callee_id: string;
  task_preview: string;
  status: Generated<string>;
  last_heartbeat: Timestamp | null;
  deadline: GeneratedTimestamp;
  result_preview: string | null;
  error_detail: string | null;
  retry_count: Generated<number>;
  idempotency_key: string | null;
  task: string;
  executed_here: Generated<boolean>;
  inbox_pushed: Generated<boolean>;
  lease_token: string | null;
  lease_until: Timestamp | null;
  injected_at: Timestamp | null;
  answered_at: Timestamp | null;
  created_at: GeneratedTimestamp;
  updated_at: GeneratedTimestamp;
}

export interface GlobalSecretsTable {
  key: string;
  encrypted_value: Buffer;
  encryption_version: Generated<number>;
  created_at: GeneratedTimestamp;
  updated_at: GeneratedTimestamp;
  key_id: Buffer | null;
}

export interface LeasesTable {
  name: string;
  holder: string;
  token: string;
  expires_at: Timestamp;
}

export interface OrgApiTokensTable {
  id: Generated<string>;
  token_hash: Buffer;
  prefix: string;
  name: string | null;
  created_by: string | null;
  org_id: string | null;
  created_at: GeneratedTimestamp;
  last_used_at: Timestamp | null;
  revoked_at: Timestamp | null;
}

export interface RuntimeImagePinsTable {
  template_name: string;
  digest: string;
  previous_digest: string | null;
  updated_by: string;
  created_at: GeneratedTimestamp;
  updated_at: GeneratedTimestamp;
}

export interface SchemaMigrationsTable {
  filename: string;
  applied_at: GeneratedTimestamp;
}

export interface SessionsTable {
  id: Generated<string>;
  secret_hash: Buffer;
  created_by: string;
  created_at: GeneratedTimestamp;
  expires_at: Timestamp;
}

export interface SignInCodesTable {
  code_hash: Buffer;
  expires_at: Timestamp;
  used_at: Timestamp | null;
}

export interface StructureEventsTable {
  id: Generated<string>;
  seq: GeneratedAlways<number>;
  event_type: string;
  workspace_id: string | null;
  agent_id: string | null;
  target_id: string | null;
  payload: Json;
  created_at: GeneratedTimestamp;
}

export interface WorkspaceAuthTokensTable {
  id: Generated<string>;
  workspace_id: string;
  token_hash: Buffer;
  prefix: string;
  created_at: GeneratedTimestamp;
  last_used_at: Timestamp | null;
  revoked_at: Timestamp | null;
  revoked_by_deletion: Generated<boolean>;
}

export interface WorkspaceConfigTable {
  workspace_id: string;
  data: Generated<Json>;
}

export interface WorkspaceSchedulesTable {
  id: Generated<string>;
  workspace_id: string;
  name: Generated<string>;
  cron_expr: string;
  timezone: Generated<string>;
  prompt: string;
  enabled: Generated<boolean>;
  last_run_at: Timestamp | null;
  next_run_at: Timestamp | null;
  waiting_since: Timestamp | null;
  run_count: Generated<number>;
  last_status: string | null;
  last_error: string | null;
  consecutive_empty_runs: Generated<number>;
  source: Generated<string>;
  created_at: GeneratedTimestamp;
  updated_at: GeneratedTimestamp;
}

export interface WorkspaceSecretsTable {
  workspace_id: string;
  key: string;
  encrypted_value: Buffer;
  encryption_version: Generated<number>;
  created_at: GeneratedTimestamp;
  updated_at: GeneratedTimestamp;
  key_id: Buffer | null;
}

export interface WorkspaceTokenUsageTable {
  workspace_id: string;
  period_start: string;
  input_tokens: Generated<number>;
  output_tokens: Generated<number>;
  call_count: Generated<number>;
  estimated_cost_usd: Generated<string>;
}

export interface WorkspacesTable {
  id: Generated<string>;
  name: string;
  role: string | null;
  tier: Generated<number>;
  runtime: Generated<string>;
  status: Generated<string>;
  status_changed_at: GeneratedTimestamp;
  parent_id: string | null;
  forwarded_to: string | null;
  url: string | null;
  url_source: string | null;
  delivery_mode: string | null;
  agent_card: Json | null;
  last_heartbeat_at: Timestamp | null;
  last_error_rate: Generated<number>;
  last_sample_error: string | null;
  active_tasks: Generated<number>;
  uptime_seconds: Generated<number>;
  current_task: Generated<string>;
  max_concurrent_tasks: Generated<number>;
  budget_limit: number | null;
  monthly_spend: Generated<number>;
  hibernation_idle_minutes: number | null;
  idle_since: Timestamp | null;
  last_outbound_at: Timestamp | null;
  workspace_dir: string | null;
  workspace_access: Generated<string>;
  template: string | null;
  instance_id: string | null;
  runtime_image_digest: string | null;
  platform_inbound_secret: string | null;
  source_bundle_id: string | null;
  enroll_until: Timestamp | null;
  needs_restart: Generated<boolean>;
  runtime_version: string | null;
  runtime_metadata: Json | null;
  created_at: GeneratedTimestamp;
  updated_at: GeneratedTimestamp;
  hibernated_from: string | null;
  retry_at: Timestamp | null;
}

export interface Tables {
  a2a_queue: A2aQueueTable;
  activity_logs: ActivityLogsTable;
  agents: AgentsTable;
  canvas_layouts: CanvasLayoutsTable;
  canvas_viewport: CanvasViewportTable;
  delegations: DelegationsTable;
  global_secrets: GlobalSecretsTable;
  leases: LeasesTable;
  org_api_tokens: OrgApiTokensTable;
  runtime_image_pins: RuntimeImagePinsTable;
  schema_migrations: SchemaMigrationsTable;
  sessions: SessionsTable;
  sign_in_codes: SignInCodesTable;
  structure_events: StructureEventsTable;
  workspace_auth_tokens: WorkspaceAuthTokensTable;
  workspace_config: WorkspaceConfigTable;
  workspace_schedules: WorkspaceSchedulesTable;
  workspace_secrets: WorkspaceSecretsTable;
  workspace_token_usage: WorkspaceTokenUsageTable;
  workspaces: WorkspacesTable;
}
