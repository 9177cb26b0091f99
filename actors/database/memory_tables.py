"""The tables of memory beside conversations: facts about customers, runbooks and their runs.

What `tables.py` says of times and tenants holds here too.
"""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
)

from actors.database.tables import metadata, tenant_column

# `is_current` is TRUE or NULL, never FALSE: NULLs do not collide, so the index allows one current
# value for each attribute of a customer and any number of former ones.
memory_fact = Table(
    "memory_fact",
    metadata,
    tenant_column(),
    Column("user_id", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("attribute", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("source_ref", Text, nullable=False),
    Column("quote", Text, nullable=False),
    Column("stated_by", Text, nullable=False),
    Column("valid_from", Double, nullable=False),
    Column("valid_to", Double),
    Column("recorded_at", Double, nullable=False),
    Column("is_current", Boolean),
    Index("memory_fact_current", "tenant", "user_id", "attribute", "is_current", unique=True),
)

# A version is never changed: runs refer to it.
runbook = Table(
    "runbook",
    metadata,
    tenant_column(),
    Column("name", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("title", Text, nullable=False),
    Column("steps", JSON, nullable=False),
    Column("content_hash", Text, nullable=False),
    Column("at", Double, nullable=False),
)

# `next_step` counts from 0 and is the only one that may be recorded.
runbook_run = Table(
    "runbook_run",
    metadata,
    tenant_column(),
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("conversation_id", Text),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("next_step", Integer, nullable=False),
    Column("started_by", Text, nullable=False),
    Column("started_at", Double, nullable=False),
    Column("ended_at", Double),
    Index("runbook_run_by_user", "tenant", "user_id", "started_at"),
)

runbook_step = Table(
    "runbook_step",
    metadata,
    tenant_column(),
    Column("run_id", Text, primary_key=True),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("outcome", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("recorded_by", Text, nullable=False),
    Column("at", Double, nullable=False),
    ForeignKeyConstraint(
        ["tenant", "run_id"], ["runbook_run.tenant", "runbook_run.id"], ondelete="CASCADE"
    ),
)
