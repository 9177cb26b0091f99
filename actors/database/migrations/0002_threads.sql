-- Conversations of OpenAI's API: items as they were given, and one run at a time.

CREATE TABLE thread (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  metadata JSON NOT NULL,
  last_seq INTEGER NOT NULL,
  items INTEGER NOT NULL,
  bytes BIGINT NOT NULL,
  vendor TEXT,
  vendor_id TEXT,
  lease TEXT,
  leased_until DOUBLE PRECISION,
  created_at DOUBLE PRECISION NOT NULL,
  updated_at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (tenant, id)
);

CREATE TABLE thread_item (
  tenant TEXT NOT NULL,
  thread_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  id TEXT NOT NULL,
  body JSON NOT NULL,
  size INTEGER NOT NULL,
  answer_id TEXT,
  platform TEXT,
  state JSON,
  PRIMARY KEY (tenant, thread_id, seq),
  FOREIGN KEY(tenant, thread_id) REFERENCES thread (tenant, id) ON DELETE CASCADE
);

CREATE UNIQUE INDEX thread_item_by_id ON thread_item (tenant, thread_id, id);
