"""The tables of knowledge: documents, their passages, and the graph of what they speak of.

What `tables.py` says of times and tenants holds here too.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
)

from actors.database.tables import metadata, tenant_column

# How often a tenant's knowledge was changed: what indexes are built from and compared by.
kb_version = Table(
    "kb_version",
    metadata,
    tenant_column(),
    Column("version", BigInteger, nullable=False),
    Column("at", Double, nullable=False),
)

# `source` is where it was ingested from as a whole, `path` the file in that source.
kb_document = Table(
    "kb_document",
    metadata,
    tenant_column(),
    Column("id", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("path", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("audience", Text, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("url", Text),
    Column("updated", Text),
    Column("content_hash", Text, nullable=False),
    Column("at", Double, nullable=False),
    Index("kb_document_by_source", "tenant", "source", "path"),
)

# `embedding` is base85 of float16 numbers, because the databases have no common word for bytes.
kb_passage = Table(
    "kb_passage",
    metadata,
    tenant_column(),
    Column("document_id", Text, primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("heading", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("content_hash", Text, nullable=False),
    Column("embedding", Text),
    Column("embed_model", Text),
    ForeignKeyConstraint(
        ["tenant", "document_id"], ["kb_document.tenant", "kb_document.id"], ondelete="CASCADE"
    ),
)

# A file that was ingested whole: as long as its fingerprint is the same it is not read again.
kb_file = Table(
    "kb_file",
    metadata,
    tenant_column(),
    Column("source", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("at", Double, nullable=False),
)

# `audience` is that of a document; of everything else it is NULL, and the edges' counts.
kb_entity = Table(
    "kb_entity",
    metadata,
    tenant_column(),
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("audience", Text),
)

# `src` is the document that says so, `audience` who may be told; `valid_to` NULL: it still says so.
kb_edge = Table(
    "kb_edge",
    metadata,
    tenant_column(),
    Column("src", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("dst", Text, primary_key=True),
    Column("valid_from", Double, primary_key=True, autoincrement=False),
    Column("valid_to", Double),
    Column("audience", Text, nullable=False),
    Index("kb_edge_by_dst", "tenant", "dst"),
)
