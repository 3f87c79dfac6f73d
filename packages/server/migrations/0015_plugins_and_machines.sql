-- Which plugins an organisation allows (chapter 30 §5.6). No row for an organisation: every plugin is allowed.

create table org_plugin_allowlist (
  id uuid primary key default gen_random_uuid(),
  org_id uuid not null references workspaces (id) on delete cascade,
  plugin_name text collate "C" not null,
  enabled_by text not null,
  enabled_at timestamptz not null default now()
);
create unique index org_plugin_allowlist_plugin_idx on org_plugin_allowlist (org_id, plugin_name);

-- Machines of a control plane that may run without being any workspace's own (chapter 10 §7.6): asked for, and the answer never came,
-- or replaced before they were seen to stop. No foreign key: a machine outlives the row it was made for.
create table machine_debts (
  -- The key under which it was asked for: a request repeated with it makes no second machine.
  id uuid primary key,
  workspace_id uuid not null,
  -- Null: not known yet.
  instance_id text collate "C",
  -- Not before the request that is under way must have ended.
  due_at timestamptz not null
);
create index machine_debts_workspace_idx on machine_debts (workspace_id);
create index machine_debts_due_idx on machine_debts (due_at);
