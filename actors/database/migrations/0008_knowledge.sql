-- What a company knows: documents, the passages they are quoted in, and a graph of what they speak of.

CREATE TABLE kb_version (
  tenant TEXT NOT NULL,
  version BIGINT NOT NULL,
  at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (tenant)
);

CREATE TABLE kb_document (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  source TEXT NOT NULL,
  path TEXT NOT NULL,
  title TEXT NOT NULL,
  category TEXT NOT NULL,
  audience TEXT NOT NULL,
  tags JSON NOT NULL,
  url TEXT,
  updated TEXT,
  content_hash TEXT NOT NULL,
  at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (tenant, id)
);

CREATE INDEX kb_document_by_source ON kb_document (tenant, source, path);

CREATE TABLE kb_passage (
  tenant TEXT NOT NULL,
  document_id TEXT NOT NULL,
  seq INTEGER NOT NULL,
  heading TEXT NOT NULL,
  text TEXT NOT NULL,
  content_hash TEXT NOT NULL,
  embedding TEXT,
  embed_model TEXT,
  PRIMARY KEY (tenant, document_id, seq),
  FOREIGN KEY(tenant, document_id) REFERENCES kb_document (tenant, id) ON DELETE CASCADE
);

CREATE TABLE kb_file (
  tenant TEXT NOT NULL,
  source TEXT NOT NULL,
  path TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  at DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (tenant, source, path)
);

CREATE TABLE kb_entity (
  tenant TEXT NOT NULL,
  id TEXT NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  audience TEXT,
  PRIMARY KEY (tenant, id)
);

CREATE TABLE kb_edge (
  tenant TEXT NOT NULL,
  src TEXT NOT NULL,
  kind TEXT NOT NULL,
  dst TEXT NOT NULL,
  valid_from DOUBLE PRECISION NOT NULL,
  valid_to DOUBLE PRECISION,
  audience TEXT NOT NULL,
  PRIMARY KEY (tenant, src, kind, dst, valid_from)
);

CREATE INDEX kb_edge_by_dst ON kb_edge (tenant, dst);
