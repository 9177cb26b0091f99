-- What is searched of the audit log, derived from its files, and how far those were read.

CREATE TABLE audit_event (
  tenant TEXT NOT NULL,
  at_ms BIGINT NOT NULL,
  chain TEXT NOT NULL,
  n BIGINT NOT NULL,
  action TEXT NOT NULL,
  outcome TEXT NOT NULL,
  subject TEXT NOT NULL,
  credential TEXT NOT NULL,
  object TEXT NOT NULL,
  permission TEXT NOT NULL,
  reason TEXT NOT NULL,
  request TEXT NOT NULL,
  status INTEGER NOT NULL,
  count INTEGER NOT NULL,
  PRIMARY KEY (tenant, at_ms, chain, n)
);

CREATE INDEX audit_event_by_subject ON audit_event (tenant, subject, at_ms);

CREATE INDEX audit_event_by_action ON audit_event (tenant, action, at_ms);

CREATE INDEX audit_event_by_object ON audit_event (tenant, object, at_ms);

CREATE INDEX audit_event_by_time ON audit_event (at_ms);

CREATE TABLE audit_position (
  chain TEXT NOT NULL,
  file INTEGER NOT NULL,
  byte BIGINT NOT NULL,
  n BIGINT NOT NULL,
  head TEXT NOT NULL,
  PRIMARY KEY (chain)
);
