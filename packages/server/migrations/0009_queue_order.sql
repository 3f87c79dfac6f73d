-- The order of the queue (chapter 20 §3): messages of one caller and context one after the other, callers in turn.

-- The order of acceptance.
alter table a2a_queue add column seq bigint generated always as identity;
-- Who waits for its turn: a workspace, a part of the platform, or all people and operators together.
alter table a2a_queue add column caller_key text collate "C" generated always as (coalesce(caller_id::text, origin, '')) stored;
-- Digest of target, caller and context; null without a context: nothing waits for such a message.
alter table a2a_queue add column lane uuid;
-- An earlier message of its lane has not ended.
alter table a2a_queue add column behind boolean not null default false;
-- Callers take turns: each message of a caller stands one round behind the one before.
alter table a2a_queue add column round bigint not null default 0;

drop index a2a_queue_claim_idx;
create index a2a_queue_claim_idx on a2a_queue (workspace_id, priority desc, round, seq) where status = 'queued' and not behind;
create index a2a_queue_caller_idx on a2a_queue (workspace_id, caller_key, round) where status = 'queued';
-- The round the deliveries have come to.
create index a2a_queue_round_idx on a2a_queue (workspace_id, round desc, seq desc) where attempts > 0;
create index a2a_queue_lane_idx on a2a_queue (lane, seq) where lane is not null and status in ('queued', 'dispatched');
