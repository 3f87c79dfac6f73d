-- Which image a runtime starts from, when it is not simply the newest (chapter 10 §2.5, §7.5).

create table runtime_image_pins (
  template_name text collate "C" primary key,
  digest text collate "C" not null check (digest ~ '^sha256:[0-9a-f]{64}$'),
  previous_digest text collate "C" check (previous_digest ~ '^sha256:[0-9a-f]{64}$'),
  updated_by text not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);
create index workspaces_runtime_image_digest_idx on workspaces (runtime_image_digest) where runtime_image_digest is not null;
