-- A chat is read as the messages of people alone (chapter 20 §5.3); they may be few among a million of other agents.

create index activity_logs_chat_idx on activity_logs (workspace_id, seq desc) where activity_type = 'a2a_receive' and source_id is null;
