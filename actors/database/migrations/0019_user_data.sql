-- What a person may ask for: whose a kept answer and a thread are, who was erased, and whose turn it
-- is to remove what is too old.

ALTER TABLE idempotency ADD COLUMN user_id TEXT;

CREATE INDEX idempotency_by_user ON idempotency (tenant, user_id);

ALTER TABLE thread ADD COLUMN user_id TEXT;

CREATE INDEX thread_by_user ON thread (tenant, user_id);

CREATE INDEX thread_by_time ON thread (tenant, updated_at);

CREATE INDEX conversation_by_time ON conversation (tenant, updated_at);

CREATE INDEX decision_by_answer ON decision (tenant, answer_id);

CREATE INDEX tool_call_by_time ON tool_call (tenant, at);

CREATE INDEX tool_approval_by_customer ON tool_approval (tenant, customer);

CREATE TABLE erasure (
  tenant TEXT NOT NULL,
  person TEXT NOT NULL,
  user_id TEXT,
  state TEXT NOT NULL,
  request TEXT NOT NULL,
  erased JSON NOT NULL,
  kept JSON NOT NULL,
  begun_at DOUBLE PRECISION NOT NULL,
  ended_at DOUBLE PRECISION,
  PRIMARY KEY (tenant, person)
);

CREATE UNIQUE INDEX erasure_by_user ON erasure (tenant, user_id);

CREATE INDEX erasure_by_state ON erasure (state, begun_at);

CREATE TABLE legal_hold (
  tenant TEXT NOT NULL,
  user_id TEXT NOT NULL,
  placed_by TEXT NOT NULL,
  placed_at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (tenant, user_id)
);

CREATE TABLE duty (
  name TEXT NOT NULL,
  holder TEXT NOT NULL,
  until DOUBLE PRECISION NOT NULL,
  next_at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (name)
);
