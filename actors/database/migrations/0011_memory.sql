-- Memory: where conversations stand, facts about customers, and runbooks with their runs.

ALTER TABLE conversation ADD COLUMN incarnation TEXT;

ALTER TABLE conversation ADD COLUMN summary TEXT;

ALTER TABLE conversation ADD COLUMN summary_seq INTEGER;

CREATE TABLE memory_fact (
  tenant TEXT NOT NULL,
  user_id TEXT NOT NULL,
  id TEXT NOT NULL,
  attribute TEXT NOT NULL,
  value TEXT NOT NULL,
  source TEXT NOT NULL,
  source_ref TEXT NOT NULL,
  quote TEXT NOT NULL,
  stated_by TEXT NOT NULL,
  valid_from DOUBLE PRECISION NOT NULL,
  valid_to DOUBLE PRECISION,
  recorded_at DOUBLE PRECISION NOT NULL,
  is_current BOOLEAN,
  PRIMARY KEY (tenant, user_id, id)
);

CREATE UNIQUE INDEX memory_fact_current ON memory_fact (tenant, user_id, attribute, is_current);

CREATE TABLE runbook (
  tenant TEXT NOT NULL,
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  title TEXT NOT NULL,
  steps JSON NOT NULL,
  content_hash TEXT NOT NULL,
  at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (tenant, name, version)
);

CREATE TABLE runbook_run (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  conversation_id TEXT,
  name TEXT NOT NULL,
  version INTEGER NOT NULL,
  state TEXT NOT NULL,
  next_step INTEGER NOT NULL,
  started_by TEXT NOT NULL,
  started_at DOUBLE PRECISION NOT NULL,
  ended_at DOUBLE PRECISION,
  PRIMARY KEY (tenant, id)
);

CREATE INDEX runbook_run_by_user ON runbook_run (tenant, user_id, started_at);

CREATE TABLE runbook_step (
  tenant TEXT NOT NULL,
  run_id TEXT NOT NULL,
  step INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  note TEXT NOT NULL,
  evidence TEXT NOT NULL,
  recorded_by TEXT NOT NULL,
  at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (tenant, run_id, step),
  FOREIGN KEY(tenant, run_id) REFERENCES runbook_run (tenant, id) ON DELETE CASCADE
);
