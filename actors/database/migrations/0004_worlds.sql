-- States of the world that decisions were taken on, under their hashes, compressed.

CREATE TABLE world (
  hash TEXT NOT NULL,
  at DOUBLE PRECISION NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (hash)
);

CREATE INDEX world_by_time ON world (at);
