-- Data at rest: the keys that texts are sealed with, each wrapped by a key that is not in here.

CREATE TABLE data_key (
  tenant TEXT NOT NULL,
  purpose TEXT NOT NULL,
  number INTEGER NOT NULL,
  wrapped TEXT NOT NULL,
  provider TEXT NOT NULL,
  messages BIGINT NOT NULL,
  created_at DOUBLE PRECISION NOT NULL,
  retired_at DOUBLE PRECISION,
  destroyed_at DOUBLE PRECISION,
  PRIMARY KEY (tenant, purpose, number)
);

-- How far a walk over what is kept has come: one row for each column that is sealed.
CREATE TABLE reseal_progress (
  place TEXT NOT NULL,
  after TEXT NOT NULL,
  rows_seen BIGINT NOT NULL,
  rows_changed BIGINT NOT NULL,
  at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (place)
);
