-- Budgets per day: what may be spent, what is lent of it to whom, and what is spent beyond recall.

CREATE TABLE budget (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  scope TEXT NOT NULL,
  subject TEXT NOT NULL,
  limit_pico_usd BIGINT NOT NULL,
  configured BOOLEAN NOT NULL,
  PRIMARY KEY (tenant, id)
);

CREATE TABLE budget_lease (
  tenant TEXT NOT NULL,
  budget TEXT NOT NULL,
  scope TEXT NOT NULL,
  subject TEXT NOT NULL,
  day INTEGER NOT NULL,
  lease TEXT NOT NULL,
  seq BIGINT NOT NULL,
  granted_pico_usd BIGINT NOT NULL,
  spent_pico_usd BIGINT NOT NULL,
  returned_pico_usd BIGINT NOT NULL,
  heard_at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (tenant, budget, scope, subject, day, lease)
);

CREATE INDEX budget_lease_by_day ON budget_lease (day);

CREATE TABLE budget_spend (
  tenant TEXT NOT NULL,
  budget TEXT NOT NULL,
  scope TEXT NOT NULL,
  subject TEXT NOT NULL,
  day INTEGER NOT NULL,
  settled_pico_usd BIGINT NOT NULL,
  PRIMARY KEY (tenant, budget, scope, subject, day)
);

CREATE INDEX budget_spend_by_day ON budget_spend (day);
