-- People and groups as an identity provider keeps them here (SCIM), and who made a key.

ALTER TABLE api_key ADD COLUMN created_by TEXT;

CREATE INDEX api_key_by_maker ON api_key (tenant, created_by);

CREATE TABLE directory (
  tenant TEXT NOT NULL,
  change BIGINT NOT NULL,
  PRIMARY KEY (tenant)
);

CREATE TABLE directory_user (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  user_name TEXT NOT NULL,
  name_key TEXT NOT NULL,
  external_id TEXT,
  subject TEXT,
  active BOOLEAN NOT NULL,
  attributes JSON NOT NULL,
  version INTEGER NOT NULL,
  change BIGINT NOT NULL,
  created_at DOUBLE PRECISION NOT NULL,
  updated_at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (tenant, id)
);

CREATE UNIQUE INDEX directory_user_by_name ON directory_user (tenant, name_key);

CREATE UNIQUE INDEX directory_user_by_subject ON directory_user (tenant, subject);

CREATE INDEX directory_user_by_external_id ON directory_user (tenant, external_id);

CREATE INDEX directory_user_by_change ON directory_user (tenant, change);

CREATE INDEX directory_user_by_age ON directory_user (tenant, created_at, id);

CREATE TABLE directory_group (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  display_name TEXT NOT NULL,
  name_key TEXT NOT NULL,
  external_id TEXT,
  version INTEGER NOT NULL,
  created_at DOUBLE PRECISION NOT NULL,
  updated_at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (tenant, id)
);

CREATE UNIQUE INDEX directory_group_by_name ON directory_group (tenant, name_key);

CREATE INDEX directory_group_by_external_id ON directory_group (tenant, external_id);

CREATE INDEX directory_group_by_age ON directory_group (tenant, created_at, id);

CREATE TABLE directory_member (
  tenant TEXT NOT NULL,
  group_id TEXT NOT NULL,
  user_id TEXT NOT NULL,
  PRIMARY KEY (tenant, group_id, user_id),
  FOREIGN KEY(tenant, group_id) REFERENCES directory_group (tenant, id) ON DELETE CASCADE,
  FOREIGN KEY(tenant, user_id) REFERENCES directory_user (tenant, id) ON DELETE CASCADE
);

CREATE INDEX directory_member_by_user ON directory_member (tenant, user_id);

CREATE TABLE directory_end (
  tenant TEXT NOT NULL,
  subject TEXT NOT NULL,
  at DOUBLE PRECISION NOT NULL,
  change BIGINT NOT NULL,
  PRIMARY KEY (tenant, subject)
);

CREATE INDEX directory_end_by_change ON directory_end (tenant, change);
