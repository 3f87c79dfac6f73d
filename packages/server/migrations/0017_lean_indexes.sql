-- Smaller indexes, and none that a planner without statistics could take for another one.

-- By age alone messages are looked for only where stale ones are dropped, which names `attempts`. Without that condition the index
-- served every look at what is queued; a planner that thinks the table empty took it for the cheapest, and each message that was
-- accepted read all that waited.
drop index a2a_queue_age_idx;
create index a2a_queue_age_idx on a2a_queue (enqueued_at) where status = 'queued' and attempts >= 0;

-- For the same reason the table never shrinks to nothing: of an empty file the planner would read all, and go on so when it has filled.
alter table a2a_queue set (vacuum_truncate = off);

-- The delegations' sweeps name their times, and so do their indexes.
drop index delegations_in_flight_idx;
create index delegations_in_flight_idx on delegations (last_heartbeat)
  where status in ('queued', 'dispatched', 'in_progress') and last_heartbeat is not null;
drop index delegations_deadline_idx;
create index delegations_deadline_idx on delegations (deadline)
  where status in ('queued', 'dispatched', 'in_progress') and deadline is not null;

-- What a seat receives names the seat itself as target, which is nearly every row; a page of a peer reads the others.
drop index activity_logs_target_idx;
create index activity_logs_target_idx on activity_logs (workspace_id, target_id, seq desc) where target_id <> workspace_id;

-- By the message first: a planner that thinks a seat has few rows would read them all to find one.
drop index activity_logs_message_idx;
create index activity_logs_message_idx on activity_logs (message_id, workspace_id) where message_id is not null;

-- Only the search for streams that nobody holds, and the renewal of those that are held, name the lease.
drop index a2a_streams_lease_idx;
create index a2a_streams_lease_idx on a2a_streams (lease_until) where ended_at is null and lease_until is not null;
