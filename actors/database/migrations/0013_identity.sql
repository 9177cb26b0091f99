-- Who is calling: what a key may be narrowed to, sign-ons that are under way, and sessions.

ALTER TABLE api_key ADD COLUMN scopes JSON;

ALTER TABLE api_key ADD COLUMN networks JSON;

ALTER TABLE api_key ADD COLUMN family TEXT;

CREATE INDEX api_key_by_family ON api_key (tenant, family);

CREATE TABLE sign_on (
  state_hash TEXT NOT NULL,
  browser_hash TEXT NOT NULL,
  provider TEXT NOT NULL,
  nonce TEXT NOT NULL,
  verifier TEXT NOT NULL,
  next TEXT NOT NULL,
  expires_at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (state_hash)
);

CREATE INDEX sign_on_by_time ON sign_on (expires_at);

CREATE TABLE session (
  tenant TEXT NOT NULL,
  id_hash TEXT NOT NULL,
  subject TEXT NOT NULL,
  provider TEXT NOT NULL,
  provider_session TEXT,
  roles JSON NOT NULL,
  sealed_id_token TEXT,
  created_at DOUBLE PRECISION NOT NULL,
  seen_at DOUBLE PRECISION NOT NULL,
  expires_at DOUBLE PRECISION NOT NULL,
  ended_at DOUBLE PRECISION,
  PRIMARY KEY (tenant, id_hash)
);

CREATE UNIQUE INDEX session_by_id ON session (id_hash);

CREATE INDEX session_by_subject ON session (tenant, subject);

CREATE INDEX session_by_provider ON session (tenant, provider, provider_session);

CREATE INDEX session_by_time ON session (expires_at);

CREATE TABLE logout_token (
  provider TEXT NOT NULL,
  token_id TEXT NOT NULL,
  expires_at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (provider, token_id)
);
