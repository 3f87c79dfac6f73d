-- Which key wrote a secret (chapter 10 §2.3): null before this migration, and for plaintext. A fingerprint, not the key.
alter table workspace_secrets add column key_id bytea;
alter table global_secrets add column key_id bytea;
