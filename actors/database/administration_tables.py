"""The tables of what administrators change while it runs; `tables.py` says what times and tenants are."""

from sqlalchemy import JSON, Column, Double, Index, Integer, Table, Text

from actors.database.tables import metadata, tenant_column

# The service's own, not a tenant's: `tenant` is whose administrator wrote it. `changes` are all that
# hold from this version on, so that any version can be read, and come back, by itself.
platform_settings = Table(
    "platform_settings",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("platform", Text),
    Column("restored", Integer),
    Column("changes", JSON, nullable=False),
    Column("diff", JSON, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("at", Double, nullable=False),
)

settings_taken = Table(
    "settings_taken",
    metadata,
    Column("process", Text, primary_key=True),
    Column("role", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("detail", Text, nullable=False),
    Column("seen_at", Double, nullable=False),
    Index("settings_taken_by_time", "seen_at"),
)

role_assignment = Table(
    "role_assignment",
    metadata,
    tenant_column(),
    Column("subject", Text, primary_key=True),
    Column("roles", JSON, nullable=False),
    Column("author", Text, nullable=False),
    Column("at", Double, nullable=False),
)
