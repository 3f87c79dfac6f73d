// Generated from the migrations by scripts/generate-tables.ts; do not edit.

import type { ColumnType, Generated, GeneratedAlways } from 'kysely';

/** Read as parsed JSON; written as text, or through `json()`. */
export type Json = ColumnType<unknown, unknown, unknown>;
export type Timestamp = ColumnType<Date, Date | string, Date | string>;
export type GeneratedTimestamp = ColumnType<Date, Date | string | undefined, Date | string>;

export interface A2aClaimsTable {
  key: Buffer;
  holder: string;
  token: string;
  is_awaited: Generated<boolean>;
}

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
  seq: GeneratedAlways<number>;
  caller_key: string | null;
  lane: string | null;
  behind: Generated<boolean>;
  round: Generated<number>;
}

export interface A2aStreamFramesTable {
  stream_id: string;
  seq: number;
  frame: string;
  upto: number;
}

export interface A2aStreamsTable {
  id: string;
  workspace_id: string;
  caller_id: string | null;
  method: string;
  rpc_id: string;
  message_id: string | null;
  task_id: string | null;
  context_id: string | null;
  target_version: string;
  ordinal: Generated<number>;
  holder: string;
  lease_token: string;
  lease_until: Timestamp;
  attempts: Generated<number>;
  started_at: GeneratedTimestamp;
  ended_at: Timestamp | null;
  ending: string | null;
  request: Json | null;
  origin: string | null;
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

export interface ChannelMessagesTable {
  id: Generated<string>;
  channel_id: string;
  message_key: string;
  chat_id: string;
  thread: string | null;
  username: string | null;
  is_reset: Generated<boolean>;
  queue_id: string | null;
  awaited: string | null;
  is_noticed: Generated<boolean>;
  reply: string | null;
  reply_number: Generated<number>;
  reply_parts_sent: Generated<number>;
  reply_attempts: Generated<number>;
  reply_due_at: Timestamp | null;
  received_at: GeneratedTimestamp;
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
  parent_delegation_id: string | null;
  path: string[] | null;
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

export interface MachineDebtsTable {
  id: string;
  workspace_id: string;
  instance_id: string | null;
  due_at: Timestamp;
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

export interface OrgPluginAllowlistTable {
  id: Generated<string>;
  org_id: string;
  plugin_name: string;
  enabled_by: string;
  enabled_at: GeneratedTimestamp;
}

export interface PendingUploadPiecesTable {
  file_id: string;
  place: number;
  content: Buffer;
}

export interface PendingUploadsTable {
  file_id: Generated<string>;
  workspace_id: string;
  direction: Generated<string>;
  filename: string;
  mime_type: string;
  size_bytes: Generated<number>;
  created_at: GeneratedTimestamp;
  staged_at: Timestamp | null;
  fetched_at: Timestamp | null;
  acked_at: Timestamp | null;
  expires_at: Timestamp;
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

export interface WebhookDeliveriesTable {
  source: string;
  target: string;
  delivery_id: string;
  received_at: GeneratedTimestamp;
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

export interface WorkspaceChannelsTable {
  id: Generated<string>;
  workspace_id: string;
  channel_type: string;
  channel_config: Json;
  key_id: Buffer | null;
  enabled: Generated<boolean>;
  allowed_users: Generated<Json>;
  channel_budget: number | null;
  last_message_at: Timestamp | null;
  message_count: Generated<number>;
  created_at: GeneratedTimestamp;
  updated_at: GeneratedTimestamp;
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
  a2a_claims: A2aClaimsTable;
  a2a_queue: A2aQueueTable;
  a2a_stream_frames: A2aStreamFramesTable;
  a2a_streams: A2aStreamsTable;
  activity_logs: ActivityLogsTable;
  agents: AgentsTable;
  canvas_layouts: CanvasLayoutsTable;
  canvas_viewport: CanvasViewportTable;
  channel_messages: ChannelMessagesTable;
  delegations: DelegationsTable;
  global_secrets: GlobalSecretsTable;
  leases: LeasesTable;
  machine_debts: MachineDebtsTable;
  org_api_tokens: OrgApiTokensTable;
  org_plugin_allowlist: OrgPluginAllowlistTable;
  pending_upload_pieces: PendingUploadPiecesTable;
  pending_uploads: PendingUploadsTable;
  runtime_image_pins: RuntimeImagePinsTable;
  schema_migrations: SchemaMigrationsTable;
  sessions: SessionsTable;
  sign_in_codes: SignInCodesTable;
  structure_events: StructureEventsTable;
  webhook_deliveries: WebhookDeliveriesTable;
  workspace_auth_tokens: WorkspaceAuthTokensTable;
  workspace_channels: WorkspaceChannelsTable;
  workspace_config: WorkspaceConfigTable;
  workspace_schedules: WorkspaceSchedulesTable;
  workspace_secrets: WorkspaceSecretsTable;
  workspace_token_usage: WorkspaceTokenUsageTable;
  workspaces: WorkspacesTable;
}
