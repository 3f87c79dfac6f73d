-- What a seat holds beside its row: which agent sits in it, and its configuration as data (chapter 10 §2.3).

create table agents (
  id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null references workspaces (id) on delete cascade,
  model text not null,
  status text collate "C" not null default 'active' check (status in ('active', 'replaced', 'removed')),
  removed_at timestamptz,
  removal_reason text,
  created_at timestamptz not null default now()
);
create unique index agents_active_idx on agents (workspace_id) where status = 'active';
create index agents_workspace_idx on agents (workspace_id);

create table workspace_config (
  workspace_id uuid primary key references workspaces (id) on delete cascade,
  data jsonb not null default '{}'
);
