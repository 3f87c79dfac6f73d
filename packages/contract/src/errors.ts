// Every error code of the platform's HTTP wire: status, whether a repeat can help, meaning.
// The body is always `{error, code, …extras}`; extras are named by the route's chapter.

export interface ErrorRow {
  readonly status: number;
  readonly retryable: boolean;
  readonly meaning: string;
}

export const ERRORS = {
  invalid_json: {
    status: 400,
    retryable: false,
    meaning: 'The body is not JSON, or not the JSON object the route needs.',
  },
  invalid_request: {
    status: 400,
    retryable: false,
    meaning: 'A field is missing or wrong; `field` names the first one.',
  },
  invalid_workspace_id: { status: 400, retryable: false, meaning: 'A path id is not a UUID.' },
  unknown_runtime: {
    status: 400,
    retryable: false,
    meaning: 'The runtime is not known here; `known_runtimes` lists those that are.',
  },
  invalid_parent: {
    status: 400,
    retryable: false,
    meaning: 'The parent does not exist, was removed, or would form a cycle.',
  },
  unsafe_url: { status: 400, retryable: false, meaning: 'The address is not one the platform may call.' },
  invalid_template: {
    status: 400,
    retryable: false,
    meaning: 'The template cannot be read: a bad path, include or YAML document.',
  },
  invalid_payload: {
    status: 400,
    retryable: false,
    meaning: 'The A2A message has no readable parts; a JSON-RPC error body names the field.',
  },
  invalid_multipart: { status: 400, retryable: false, meaning: 'The form cannot be read, or broke off.' },
  no_files: { status: 400, retryable: false, meaning: 'The form has no file in its field `files`.' },
  self_delegation: { status: 400, retryable: false, meaning: 'A workspace cannot delegate to itself.' },
  unauthenticated: {
    status: 401,
    retryable: false,
    meaning: 'No credential, or one that is unknown, revoked or not allowed here.',
  },
  invalid_code: { status: 401, retryable: false, meaning: 'The sign-in code or token is wrong, used or expired.' },
  invalid_signature: {
    status: 401,
    retryable: false,
    meaning: 'The webhook is not signed with the secret that is known here, or too long ago.',
  },
  budget_exceeded: { status: 402, retryable: false, meaning: 'The target workspace has spent its budget.' },
  admin_field: {
    status: 403,
    retryable: false,
    meaning: 'The fields in `fields` may be changed by an administrator only.',
  },
  invalid_caller: { status: 403, retryable: false, meaning: 'The caller id is reserved for the platform itself.' },
  access_denied: {
    status: 403,
    retryable: false,
    meaning: 'The hierarchy does not let these workspaces talk to each other.',
  },
  foreign_org: {
    status: 403,
    retryable: false,
    meaning: 'The organisation token, or the session it opened, is not anchored to this organisation.',
  },
  source_mismatch: { status: 403, retryable: false, meaning: '`source_id` must match the authenticated workspace.' },
  origin_refused: {
    status: 403,
    retryable: false,
    meaning: 'A cookie-authenticated write came from a foreign origin.',
  },
  not_found: { status: 404, retryable: false, meaning: 'No such resource, or none this caller may know of.' },
  route_not_found: { status: 404, retryable: false, meaning: 'No route answers this method and path.' },
  confirmation_required: {
    status: 409,
    retryable: false,
    meaning: 'The workspace has children; repeat with `confirm=true`.',
  },
  workspace_suspended: {
    status: 409,
    retryable: false,
    meaning: 'The workspace is paused or asleep and cannot register.',
  },
  delegation_cycle: {
    status: 409,
    retryable: false,
    meaning:
      'The target waits in this very chain of delegations, which `path` and `delegation_ids` show: answer instead of delegating back.',
  },
  delegation_too_deep: {
    status: 409,
    retryable: false,
    meaning: 'The chain of delegations, which `path` and `delegation_ids` show, has `max_depth` hops already.',
  },
  delegation_ping_pong: {
    status: 409,
    retryable: false,
    meaning:
      'The two workspaces hand tasks to and fro, `delegation_ids` names them, and no person said anything in between.',
  },
  conflict: { status: 409, retryable: false, meaning: 'The resource is not in a state that allows this.' },
  tasks_running: {
    status: 409,
    retryable: true,
    meaning: 'The workspace is at work, `active_tasks` says with how many tasks; `force=true` does not wait for them.',
  },
  workspace_removed: { status: 410, retryable: false, meaning: 'The workspace was removed.' },
  cursor_gone: {
    status: 410,
    retryable: false,
    meaning: 'The cursor row is unknown or was pruned; read the newest page again.',
  },
  missing_env: { status: 412, retryable: false, meaning: 'Required secrets are not set; `missing_env` names them.' },
  body_too_large: {
    status: 413,
    retryable: false,
    meaning: 'The body is larger than the route takes; `max_bytes` says how large it may be.',
  },
  unsupported_media_type: { status: 415, retryable: false, meaning: 'The content type is not one the route reads.' },
  agent_not_reachable: {
    status: 422,
    retryable: false,
    meaning: 'The agent has no address the platform can call, and will not get one by itself.',
  },
  files_unavailable: {
    status: 422,
    retryable: false,
    meaning: 'The platform has no way to the folders of this workspace.',
  },
  rate_limited: { status: 429, retryable: true, meaning: 'Too many requests; repeat after `retry_after` seconds.' },
  uploads_full: {
    status: 429,
    retryable: true,
    meaning:
      'Too much waits for the agent to fetch it; once it does, or after `retry_after` seconds, there is room again.',
  },
  queue_full: {
    status: 429,
    retryable: true,
    meaning:
      'As many messages of this caller wait for the target as may, `limit`; this one was not stored. Repeat after `retry_after` seconds.',
  },
  channel_budget_exceeded: {
    status: 429,
    retryable: false,
    meaning: 'As many messages were sent through the channel as may; raise `channel_budget`.',
  },
  too_many_tokens: { status: 429, retryable: false, meaning: 'The workspace holds as many live tokens as it may.' },
  internal: {
    status: 500,
    retryable: true,
    meaning: 'The platform failed; the log has the reason under the request id.',
  },
  request_build_failed: {
    status: 500,
    retryable: false,
    meaning: 'The request to the agent could not be constructed safely.',
  },
  channel_send_failed: {
    status: 500,
    retryable: true,
    meaning: 'The channel did not take the message in every chat; `reason` has its words.',
  },
  github_token_failed: {
    status: 500,
    retryable: true,
    meaning: 'GitHub gave no installation token; the log has its status.',
  },
  stop_failures: {
    status: 500,
    retryable: true,
    meaning: 'Rows are removed, but `stop_failures` workloads could not be stopped; repeat.',
  },
  secrets_unreadable: {
    status: 500,
    retryable: false,
    meaning: 'Stored secrets cannot be decrypted; `failed_keys` names them.',
  },
  stop_failed: {
    status: 502,
    retryable: true,
    meaning: 'The workload could not be stopped, so the workspace is in the status it had before.',
  },
  upstream_unreachable: {
    status: 502,
    retryable: true,
    meaning: 'The control plane or the server of the canvas could not be reached.',
  },
  files_failed: {
    status: 500,
    retryable: true,
    meaning: 'The folders of the workspace could not be read or written; the log says why.',
  },
  refresh_incomplete: {
    status: 500,
    retryable: true,
    meaning:
      'Images were pulled, but what runs an older one could not be found out; `partial_result` says how far it came.',
  },
  no_images: {
    status: 501,
    retryable: false,
    meaning: 'Only a container engine has images to refresh; this platform starts agents in another way.',
  },
  no_console: {
    status: 501,
    retryable: false,
    meaning: 'Only machines of a control plane have a console; this platform starts agents in another way.',
  },
  console_failed: { status: 502, retryable: true, meaning: 'The control plane did not give the console out.' },
  agent_unreachable: { status: 502, retryable: true, meaning: 'The agent could not be reached.' },
  agent_url_refused: {
    status: 502,
    retryable: false,
    meaning: 'The address of the agent is not one the platform may call.',
  },
  agent_response_too_large: {
    status: 502,
    retryable: false,
    meaning:
      'The answer of the agent was larger than 10 MiB, and the message was delivered; or a session log than 1 MiB.',
  },
  agent_response_unreadable: {
    status: 502,
    retryable: false,
    meaning: 'The answer of the agent broke off; `delivery_confirmed` says whether the message arrived.',
  },
  agent_error: { status: 502, retryable: false, meaning: 'The agent answered with an error; its status is passed on.' },
  platform_unavailable: {
    status: 503,
    retryable: true,
    meaning: 'The datastore does not answer, so nobody can be authenticated.',
  },
  store_full: {
    status: 503,
    retryable: true,
    meaning: 'The disk under the datastore is nearly full; writes are refused until space is freed.',
  },
  no_terminal: {
    status: 503,
    retryable: false,
    meaning: 'The platform has no way to a shell beside this agent; the message says why.',
  },
  webhook_not_configured: {
    status: 503,
    retryable: false,
    meaning: 'No secret is set that could verify the webhook.',
  },
  no_backend: { status: 503, retryable: false, meaning: 'No provisioning backend is configured.' },
  agent_busy: { status: 503, retryable: true, meaning: 'The agent is busy and the message was not queued.' },
  agent_restarting: { status: 503, retryable: true, meaning: 'The agent is down and being restarted.' },
  agent_waking: { status: 503, retryable: true, meaning: 'The agent is waking from hibernation.' },
  agent_no_url: { status: 503, retryable: true, meaning: 'The workspace has no address yet; `status` says why.' },
  agent_not_ready: { status: 503, retryable: true, meaning: 'The workspace is not online.' },
  agent_url_unsafe: { status: 503, retryable: false, meaning: 'The stored address failed the safety check.' },
  inbound_secret_missing: {
    status: 503,
    retryable: true,
    meaning: 'The agent does not hold the credential for this yet; `retry_after_seconds` says when it should.',
  },
  inbox_unavailable: { status: 503, retryable: true, meaning: 'The message could not be stored for the agent.' },
  ledger_unavailable: {
    status: 503,
    retryable: true,
    meaning: 'The delegation could not be stored; nothing was dispatched.',
  },
  shutting_down: { status: 503, retryable: true, meaning: 'The platform is stopping.' },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

export interface ErrorBody {
  error: string;
  code: ErrorCode;
  [extra: string]: unknown;
}
