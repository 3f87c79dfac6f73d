-- Social channels and webhooks (chapter 20 §9, §10): what they are, and what came in by them, so that it becomes one message each.

create table workspace_channels (
  id uuid primary key default gen_random_uuid(),
  workspace_id uuid not null references workspaces (id) on delete cascade,
  channel_type text collate "C" not null,
  -- Its secret fields are encrypted one by one, `ec1:` before each.
  channel_config jsonb not null,
  -- The key that encrypted them; null: nothing is encrypted.
  key_id bytea,
  enabled boolean not null default true,
  allowed_users jsonb not null default '[]',
  channel_budget int check (channel_budget >= 0),
  last_message_at timestamptz,
  message_count int not null default 0,
  created_at timestamptz not null default clock_timestamp(),
  updated_at timestamptz not null default clock_timestamp()
);
create unique index workspace_channels_type_idx on workspace_channels (workspace_id, channel_type);
create index workspace_channels_enabled_idx on workspace_channels (channel_type, enabled) where enabled;

-- What came in through a channel, each once, and what goes back. No foreign key: an answer waits for nobody who deletes a channel.
create table channel_messages (
  id uuid primary key default gen_random_uuid(),
  channel_id uuid not null,
  -- The channel's own name for the message.
  message_key text collate "C" not null,
  chat_id text not null,
  -- Where in the chat an answer belongs, as the channel says it.
  thread text,
  username text,
  -- What was said in the chat before it is forgotten.
  is_reset boolean not null default false,
  -- The message it became; null: nothing waits for an end.
  queue_id uuid,
  -- Its A2A id while it lies in an inbox: what the agent says to that goes back too.
  awaited text collate "C",
  -- The sender was told that it has to wait.
  is_noticed boolean not null default false,
  -- What is to be sent, which of them it is, and how far that has come.
  reply text,
  reply_number int not null default 0,
  reply_parts_sent int not null default 0,
  reply_attempts int not null default 0,
  reply_due_at timestamptz,
  received_at timestamptz not null default now()
);
create unique index channel_messages_key_idx on channel_messages (channel_id, message_key);
create index channel_messages_queue_idx on channel_messages (queue_id) where queue_id is not null;
create index channel_messages_awaited_idx on channel_messages (received_at) where awaited is not null;
create index channel_messages_due_idx on channel_messages (reply_due_at) where reply_due_at is not null;
create index channel_messages_received_idx on channel_messages (received_at);

-- The conversation of a chat, which its next message brings along.
create index activity_logs_chat_origin_idx on activity_logs (workspace_id, (request_body #>> '{params,message,metadata,chat_id}'), seq desc)
  where origin is not null and activity_type = 'a2a_receive';

-- Deliveries of webhooks that were acted upon. Several hooks may tell of one event: the target is part of the key.
create table webhook_deliveries (
  source text collate "C" not null,
  target text collate "C" not null,
  delivery_id text collate "C" not null,
  received_at timestamptz not null default now(),
  primary key (source, target, delivery_id)
);
create index webhook_deliveries_received_idx on webhook_deliveries (received_at);
