-- Files that wait for a poll-mode agent to fetch them, and those such an agent left for the person (chapter 20 §7.3).

-- No foreign key to the workspace: a row ends by its own times, and deleting a workspace waits for none.
create table pending_uploads (
  file_id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null,
  direction text collate "C" not null default 'inbound' check (direction in ('inbound', 'outbound')),
  filename text not null,
  mime_type text not null,
  size_bytes int not null default 0 check (size_bytes >= 0),
  created_at timestamptz not null default now(),
  -- Null while its bytes still come in: nobody sees it until all files of its request are there.
  staged_at timestamptz,
  fetched_at timestamptz,
  acked_at timestamptz,
  expires_at timestamptz not null
);
create index pending_uploads_waiting_idx on pending_uploads (workspace_id, created_at) where acked_at is null;
create index pending_uploads_expiry_idx on pending_uploads (expires_at) where acked_at is null;
create index pending_uploads_acked_idx on pending_uploads (acked_at) where acked_at is not null;

-- The bytes in pieces, so that neither side ever holds a whole file in memory.
create table pending_upload_pieces (
  file_id uuid not null references pending_uploads (file_id) on delete cascade,
  place int not null,
  content bytea not null,
  primary key (file_id, place)
);
-- What people attach is mostly compressed already: trying again costs more than it saves.
alter table pending_upload_pieces alter column content set storage external;
