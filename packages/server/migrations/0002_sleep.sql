-- What a workspace was before it was sent to sleep: a stop that fails leads back there, whichever process finds out.
-- Read while the status is `hibernating`; afterwards it tells what was.

alter table workspaces add column hibernated_from workspace_status
  constraint hibernated_from_running check (hibernated_from in ('online', 'degraded'));
-- The monitor looks at the few that may sleep at all.
create index workspaces_hibernation_idx on workspaces (hibernation_idle_minutes) where hibernation_idle_minutes is not null;
