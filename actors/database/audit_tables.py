"""The tables in which the audit log is searched. They are derived: the truth is in the chains.

What `tables.py` says of times and tenants holds here too; only that times are whole
milliseconds here, as in the chains.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, Table, Text

from actors.database.tables import metadata, tenant_column

audit_event = Table(
    "audit_event",
    metadata,
    # Empty where nobody was known: no tenant's auditor sees those, only who runs the service.
    tenant_column(),
    Column("at_ms", BigInteger, primary_key=True, autoincrement=False),
    # Where it stands in the log, which also orders what happened in one millisecond.
    Column("chain", Text, primary_key=True),
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("action", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("credential", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("permission", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("count", Integer, nullable=False),
    Index("audit_event_by_subject", "tenant", "subject", "at_ms"),
    Index("audit_event_by_action", "tenant", "action", "at_ms"),
    Index("audit_event_by_object", "tenant", "object", "at_ms"),
    Index("audit_event_by_time", "at_ms"),
)

# How far each chain was read, and its head there: a second witness of what was written.
audit_position = Table(
    "audit_position",
    metadata,
    Column("chain", Text, primary_key=True),
    Column("file", Integer, nullable=False),
    Column("byte", BigInteger, nullable=False),
    Column("n", BigInteger, nullable=False),
    Column("head", Text, nullable=False),
)
