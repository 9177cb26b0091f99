"""The tables of data at rest: wrapped data keys, and how far a walk over what is kept has come.

What `tables.py` says of times and tenants holds here too.
"""

from sqlalchemy import BigInteger, Column, Double, Integer, Table, Text

from actors.database.tables import metadata, tenant_column

# `messages` were counted beforehand by those who seal: never less than were sealed. Of a destroyed
# key the number stays, because none is used twice; `wrapped` is then empty.
data_key = Table(
    "data_key",
    metadata,
    tenant_column(),
    Column("purpose", Text, primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("wrapped", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("messages", BigInteger, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("retired_at", Double),
    Column("destroyed_at", Double),
)

# It belongs to the service: a walk goes over all tenants, column by column.
reseal_progress = Table(
    "reseal_progress",
    metadata,
    Column("place", Text, primary_key=True),
    Column("after", Text, nullable=False),
    Column("rows_seen", BigInteger, nullable=False),
    Column("rows_changed", BigInteger, nullable=False),
    Column("at", Double, nullable=False),
)
