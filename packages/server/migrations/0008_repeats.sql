-- Which replica works on which held call, so that a repeat on another one waits for its answer (chapter 20 §1.11). Not logged: when
-- the database crashes, what it knew of calls under way is lost, and the receivers know their messages again.

create unlogged table a2a_claims (
  -- Digest of target, caller, message id and body.
  key bytea primary key,
  holder text not null,
  token uuid not null,
  -- Another replica wants to be told of the end.
  is_awaited boolean not null default false
);
