-- Whom a provider signed off, for as long as what it said of them before could still open a session.

CREATE TABLE logout_mark (
  tenant TEXT NOT NULL,
  provider TEXT NOT NULL,
  whose TEXT NOT NULL,
  at DOUBLE PRECISION NOT NULL,
  expires_at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (tenant, provider, whose)
);

CREATE INDEX logout_mark_by_time ON logout_mark (expires_at);
