"""The tables behind what a person may ask for: erasures, legal holds, and whose turn regular work is.

What `tables.py` says of times and tenants holds here too.
"""

from sqlalchemy import JSON, Column, Double, Index, Table, Text

from actors.database.tables import metadata, tenant_column

# `person` is the pseudonym under which the audit log knows the person; `user_id` is there while
# the erasure needs it and NULL from the moment it is settled.
erasure = Table(
    "erasure",
    metadata,
    tenant_column(),
    Column("person", Text, primary_key=True),
    Column("user_id", Text),
    Column("state", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("erased", JSON, nullable=False),
    Column("kept", JSON, nullable=False),
    Column("begun_at", Double, nullable=False),
    Column("ended_at", Double),
    Index("erasure_by_user", "tenant", "user_id", unique=True),
    Index("erasure_by_state", "state", "begun_at"),
)

# While there is a row nothing of the person is erased or ended by age.
legal_hold = Table(
    "legal_hold",
    metadata,
    tenant_column(),
    Column("user_id", Text, primary_key=True),
    Column("placed_by", Text, nullable=False),
    Column("placed_at", Double, nullable=False),
)

# Regular work that one process at a time does: who, until when, and when it is due again.
duty = Table(
    "duty",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", Double, nullable=False),
    Column("next_at", Double, nullable=False),
)
