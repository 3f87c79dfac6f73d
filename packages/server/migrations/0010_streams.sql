-- The log of event streams, from which a client that lost its connection goes on (chapter 20 §1.10). No foreign keys: a check for
-- every frame would cost more than the frame, and the retention loop forgets both tables together.

create table a2a_streams (
  id uuid primary key,
  workspace_id uuid not null,
  -- Null for people and operators.
  caller_id uuid,
  method text not null,
  -- JSON of the request's own id.
  rpc_id text not null,
  message_id text,
  task_id text,
  context_id text,
  -- Frames are kept as the agent sent them, in this version of A2A.
  target_version text not null,
  -- How many streams of the same task or message this caller had before: its place in their common sequence.
  ordinal int not null default 0,
  -- Who reads it from the agent. Only the token's holder appends.
  holder text not null,
  lease_token uuid not null,
  lease_until timestamptz not null,
  attempts int not null default 0,
  started_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  ending text collate "C" check (ending in ('complete', 'interrupted', 'too_large')),
  check ((ended_at is null) = (ending is null))
);
create unique index a2a_streams_task_idx on a2a_streams (workspace_id, task_id, caller_id, ordinal) nulls not distinct where task_id is not null;
create unique index a2a_streams_message_idx on a2a_streams (workspace_id, message_id, caller_id, ordinal) nulls not distinct where message_id is not null;
create index a2a_streams_lease_idx on a2a_streams (lease_until) where ended_at is null;
create index a2a_streams_ended_idx on a2a_streams (ended_at) where ended_at is not null;

create table a2a_stream_frames (
  stream_id uuid not null,
  seq int not null,
  frame text not null,
  -- Bytes of the stream up to and with this frame.
  upto bigint not null,
  primary key (stream_id, seq)
);
