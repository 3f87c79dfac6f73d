-- The chain a delegation belongs to (chapter 20 §4.9): which delegation its caller worked on, and the workspaces from the first
-- caller to the callee. Null for those stored before.

alter table delegations add column parent_delegation_id text collate "C";
alter table delegations add column path uuid[];
-- What a workspace works on, and what it waits for.
create index delegations_callee_open_idx on delegations (callee_id, created_at) where status in ('queued', 'dispatched', 'in_progress');
create index delegations_caller_open_idx on delegations (caller_id, created_at) where status in ('queued', 'dispatched', 'in_progress');
-- How often two handed tasks to each other lately.
create index delegations_pair_idx on delegations (caller_id, callee_id, created_at desc);
-- When a person last said something to a workspace.
create index activity_logs_person_idx on activity_logs (workspace_id, seq desc)
  where activity_type = 'a2a_receive' and source_id is null and origin is null and method is distinct from 'notify';
