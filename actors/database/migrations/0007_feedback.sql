-- How good answers were, by those who know; what the adaptive strategy learns from.

CREATE TABLE feedback (
  tenant TEXT NOT NULL,
  decision_id TEXT NOT NULL,
  quality DOUBLE PRECISION NOT NULL,
  target TEXT NOT NULL,
  at DOUBLE PRECISION NOT NULL,
  context JSON,
  surplus DOUBLE PRECISION,
  taught BOOLEAN NOT NULL,
  PRIMARY KEY (tenant, decision_id)
);

CREATE INDEX feedback_by_state ON feedback (taught, at);
