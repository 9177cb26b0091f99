-- Leases between regions: what another region has of a budget here, and what this one has of theirs.

ALTER TABLE budget_lease ADD COLUMN region TEXT NOT NULL DEFAULT '';

ALTER TABLE budget_lease ADD COLUMN runs_out_at DOUBLE PRECISION;

CREATE TABLE budget_loan (
  tenant TEXT NOT NULL,
  budget TEXT NOT NULL,
  scope TEXT NOT NULL,
  subject TEXT NOT NULL,
  day INTEGER NOT NULL,
  home TEXT NOT NULL,
  lease TEXT NOT NULL,
  seq BIGINT NOT NULL,
  heard_seq BIGINT NOT NULL,
  want_pico_usd BIGINT NOT NULL,
  granted_pico_usd BIGINT NOT NULL,
  told_pico_usd BIGINT NOT NULL,
  returned_pico_usd BIGINT NOT NULL,
  need_pico_usd BIGINT NOT NULL,
  home_free_pico_usd BIGINT NOT NULL,
  is_reserve BOOLEAN NOT NULL,
  is_closed BOOLEAN NOT NULL,
  runs_out_at DOUBLE PRECISION NOT NULL,
  heard_at DOUBLE PRECISION NOT NULL,
  used_at DOUBLE PRECISION NOT NULL,
  next_at DOUBLE PRECISION,
  PRIMARY KEY (tenant, budget, scope, subject, day, home)
);

CREATE INDEX budget_loan_by_turn ON budget_loan (home, next_at);

CREATE INDEX budget_loan_by_day ON budget_loan (day);

CREATE TABLE budget_abroad (
  home TEXT NOT NULL,
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  scope TEXT NOT NULL,
  subject TEXT NOT NULL,
  limit_pico_usd BIGINT NOT NULL,
  configured BOOLEAN NOT NULL,
  PRIMARY KEY (home, tenant, id)
);

CREATE TABLE budget_home (
  home TEXT NOT NULL,
  digest TEXT NOT NULL,
  PRIMARY KEY (home)
);
