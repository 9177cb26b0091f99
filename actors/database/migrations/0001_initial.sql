-- The first schema. Plain DDL in the words SQLite and PostgreSQL share; see tables.py for the reasons.

CREATE TABLE api_key (
  tenant TEXT NOT NULL,
  key_id TEXT NOT NULL,
  hash TEXT NOT NULL,
  name TEXT NOT NULL,
  roles JSON NOT NULL,
  created_at DOUBLE PRECISION NOT NULL,
  expires_at DOUBLE PRECISION,
  revoked_at DOUBLE PRECISION,
  PRIMARY KEY (tenant, key_id)
);

CREATE UNIQUE INDEX api_key_by_id ON api_key (key_id);

CREATE TABLE checkpoint (
  name TEXT NOT NULL,
  version BIGINT NOT NULL,
  at DOUBLE PRECISION NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (name)
);

CREATE TABLE conversation (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  user_id TEXT,
  last_seq INTEGER NOT NULL,
  created_at DOUBLE PRECISION NOT NULL,
  updated_at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (tenant, id)
);

CREATE INDEX conversation_by_user ON conversation (tenant, user_id, updated_at);

CREATE TABLE customer (
  tenant TEXT NOT NULL,
  user_id TEXT NOT NULL,
  account_name TEXT NOT NULL,
  email TEXT NOT NULL,
  plan TEXT NOT NULL,
  region TEXT NOT NULL,
  status TEXT NOT NULL,
  since TEXT NOT NULL,
  PRIMARY KEY (tenant, user_id)
);

CREATE TABLE customer_order (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  placed TEXT NOT NULL,
  item TEXT NOT NULL,
  quantity INTEGER NOT NULL,
  amount_cents BIGINT NOT NULL,
  status TEXT NOT NULL,
  PRIMARY KEY (tenant, id)
);

CREATE INDEX customer_order_by_user ON customer_order (tenant, user_id, placed);

CREATE TABLE decision (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  answer_id TEXT,
  at DOUBLE PRECISION NOT NULL,
  body JSON NOT NULL,
  PRIMARY KEY (tenant, id)
);

CREATE INDEX decision_by_time ON decision (at);

CREATE TABLE idempotency (
  tenant TEXT NOT NULL,
  key TEXT NOT NULL,
  body_hash TEXT NOT NULL,
  state TEXT NOT NULL,
  lease TEXT NOT NULL,
  status INTEGER,
  answer JSON,
  created_at DOUBLE PRECISION NOT NULL,
  leased_at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (tenant, key)
);

CREATE INDEX idempotency_by_time ON idempotency (created_at);

CREATE TABLE invoice (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  issued TEXT NOT NULL,
  amount_cents BIGINT NOT NULL,
  status TEXT NOT NULL,
  description TEXT NOT NULL,
  paid_at TEXT,
  PRIMARY KEY (tenant, id)
);

CREATE INDEX invoice_by_user ON invoice (tenant, user_id, issued);

CREATE TABLE ledger (
  tenant TEXT NOT NULL,
  answer_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  platform TEXT NOT NULL,
  model TEXT NOT NULL,
  at DOUBLE PRECISION NOT NULL,
  latency_ms DOUBLE PRECISION NOT NULL,
  first_byte_ms DOUBLE PRECISION,
  input_tokens BIGINT NOT NULL,
  cached_tokens BIGINT NOT NULL,
  cache_write_tokens BIGINT NOT NULL,
  output_tokens BIGINT NOT NULL,
  reasoning_tokens BIGINT NOT NULL,
  cost_pico_usd BIGINT,
  error TEXT,
  retry_after_s DOUBLE PRECISION,
  abandoned BOOLEAN NOT NULL,
  simulated BOOLEAN NOT NULL,
  PRIMARY KEY (tenant, answer_id, attempt)
);

CREATE INDEX ledger_by_tenant_time ON ledger (tenant, at);

CREATE INDEX ledger_by_time ON ledger (at);

CREATE TABLE reporter (
  replica TEXT NOT NULL,
  seq BIGINT NOT NULL,
  PRIMARY KEY (replica, seq)
);

CREATE TABLE turn (
  tenant TEXT NOT NULL,
  conversation_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  role TEXT NOT NULL,
  text TEXT NOT NULL,
  answer_id TEXT,
  at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (tenant, conversation_id, seq),
  FOREIGN KEY(tenant, conversation_id) REFERENCES conversation (tenant, id) ON DELETE CASCADE
);
