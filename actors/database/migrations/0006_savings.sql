-- What answers cost, and what each of the targets that could have given them would have cost.

CREATE TABLE saving (
  tenant TEXT NOT NULL,
  answer_id TEXT NOT NULL,
  at DOUBLE PRECISION NOT NULL,
  day INTEGER NOT NULL,
  bucket INTEGER NOT NULL,
  platform TEXT NOT NULL,
  model TEXT NOT NULL,
  strategy TEXT NOT NULL,
  answered BOOLEAN NOT NULL,
  routed BOOLEAN NOT NULL,
  simulated BOOLEAN NOT NULL,
  actual_pico_usd BIGINT,
  default_target TEXT,
  default_pico_usd BIGINT,
  cheapest_pico_usd BIGINT,
  random_pico_usd BIGINT,
  PRIMARY KEY (tenant, answer_id)
);

CREATE INDEX saving_by_tenant_time ON saving (tenant, at);

CREATE INDEX saving_by_time ON saving (at);

CREATE TABLE saving_target (
  tenant TEXT NOT NULL,
  answer_id TEXT NOT NULL,
  target TEXT NOT NULL,
  quality DOUBLE PRECISION NOT NULL,
  pico_usd BIGINT,
  PRIMARY KEY (tenant, answer_id, target),
  FOREIGN KEY(tenant, answer_id) REFERENCES saving (tenant, answer_id) ON DELETE CASCADE
);
