-- Business tools: the journal of their calls, the approvals they wait for, and what they change.

CREATE TABLE tool_call (
  tenant TEXT NOT NULL,
  principal TEXT NOT NULL,
  key TEXT NOT NULL,
  id TEXT NOT NULL,
  tool TEXT NOT NULL,
  args_hash TEXT NOT NULL,
  customer TEXT,
  conversation_id TEXT,
  approval_id TEXT,
  state TEXT NOT NULL,
  leased_until DOUBLE PRECISION,
  is_error BOOLEAN NOT NULL,
  outcome JSON,
  at DOUBLE PRECISION NOT NULL,
  finished_at DOUBLE PRECISION,
  PRIMARY KEY (tenant, principal, key)
);

CREATE INDEX tool_call_by_customer ON tool_call (tenant, customer, at);

CREATE UNIQUE INDEX tool_call_by_id ON tool_call (tenant, id);

CREATE TABLE tool_approval (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  live_key TEXT,
  tool TEXT NOT NULL,
  arguments JSON NOT NULL,
  args_hash TEXT NOT NULL,
  reason TEXT NOT NULL,
  summary TEXT NOT NULL,
  principal TEXT NOT NULL,
  roles JSON NOT NULL,
  customer TEXT,
  conversation_id TEXT,
  tainted BOOLEAN NOT NULL,
  state TEXT NOT NULL,
  requested_at DOUBLE PRECISION NOT NULL,
  expires_at DOUBLE PRECISION NOT NULL,
  decided_by TEXT,
  decided_roles JSON,
  decided_at DOUBLE PRECISION,
  spent_at DOUBLE PRECISION,
  is_error BOOLEAN,
  outcome JSON,
  finished_at DOUBLE PRECISION,
  PRIMARY KEY (tenant, id)
);

CREATE INDEX tool_approval_by_state ON tool_approval (tenant, state, requested_at);

CREATE UNIQUE INDEX tool_approval_live ON tool_approval (tenant, live_key);

CREATE TABLE refund (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  invoice_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  amount_cents BIGINT NOT NULL,
  reason TEXT NOT NULL,
  call_id TEXT NOT NULL,
  at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (tenant, id),
  FOREIGN KEY (tenant, invoice_id) REFERENCES invoice (tenant, id)
);

CREATE INDEX refund_by_invoice ON refund (tenant, invoice_id);

CREATE INDEX refund_by_user ON refund (tenant, user_id, at);

CREATE TABLE plan_change (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  from_plan TEXT NOT NULL,
  to_plan TEXT NOT NULL,
  effective TEXT NOT NULL,
  charge_cents BIGINT NOT NULL,
  call_id TEXT NOT NULL,
  at DOUBLE PRECISION NOT NULL,
  undone_at DOUBLE PRECISION,
  PRIMARY KEY (tenant, id)
);

CREATE INDEX plan_change_by_user ON plan_change (tenant, user_id, at);

CREATE TABLE password_reset (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  call_id TEXT NOT NULL,
  at DOUBLE PRECISION NOT NULL,
  expires_at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (tenant, id)
);

CREATE INDEX password_reset_by_user ON password_reset (tenant, user_id, at);

CREATE TABLE incident (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  severity INTEGER NOT NULL,
  title TEXT NOT NULL,
  description TEXT NOT NULL,
  status TEXT NOT NULL,
  call_id TEXT NOT NULL,
  at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (tenant, id)
);

CREATE INDEX incident_by_user ON incident (tenant, user_id, at);
