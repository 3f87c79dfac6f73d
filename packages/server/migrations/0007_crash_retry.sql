-- When a start that failed is tried again by the platform, whichever of its processes lives then; null = only when somebody asks.

alter table workspaces add column retry_at timestamptz;
create index workspaces_retry_idx on workspaces (retry_at) where retry_at is not null;
