-- What a stream was asked for, so that whoever finishes it after a crash can write the row of the call (chapter 20 §1.10, §1.11).

alter table a2a_streams
  -- Canonical; null where the call leaves no row in the activity log.
  add column request jsonb,
  -- Who asked when that is no workspace: a part of the platform.
  add column origin text;
