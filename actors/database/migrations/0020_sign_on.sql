-- Attempts to sign on are sealed into the browser's cookie now; what is kept is which of them came
-- to an end, and how often a password was wrong.

DROP TABLE sign_on;

CREATE TABLE finished_sign_on (
  state_hash TEXT NOT NULL,
  expires_at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (state_hash)
);

CREATE INDEX finished_sign_on_by_time ON finished_sign_on (expires_at);

CREATE TABLE password_try (
  provider TEXT NOT NULL,
  who TEXT NOT NULL,
  tries INTEGER NOT NULL,
  until DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (provider, who)
);

CREATE INDEX password_try_by_time ON password_try (until);

-- When the person last proved who they are, where the provider says so; a session may begin without.
ALTER TABLE session ADD COLUMN signed_on_at DOUBLE PRECISION;
