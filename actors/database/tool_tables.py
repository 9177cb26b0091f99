"""The tables of business tools: what they did, what waits for a human, and what changed for whom.

What `tables.py` says of times and tenants holds here too; amounts are whole cents.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
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

# One row for each call that could change something. `key` is the caller's idempotency key, or one
# of ours where it sent none; `state` is running or done, and `leased_until` is for calls that
# leave the house, which no transaction can hold.
tool_call = Table(
    "tool_call",
    metadata,
    tenant_column(),
    Column("principal", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("id", Text, nullable=False),
    Column("tool", Text, nullable=False),
    Column("args_hash", Text, nullable=False),
    Column("customer", Text),
    Column("conversation_id", Text),
    Column("approval_id", Text),
    Column("state", Text, nullable=False),
    Column("leased_until", Double),
    Column("is_error", Boolean, nullable=False),
    Column("outcome", JSON(none_as_null=True)),
    Column("at", Double, nullable=False),
    Column("finished_at", Double),
    Index("tool_call_by_id", "tenant", "id", unique=True),
    Index("tool_call_by_customer", "tenant", "customer", "at"),
    Index("tool_call_by_time", "tenant", "at"),
)

# `arguments` are sealed by `args_hash`: what is approved is exactly what runs. `live_key` is the
# hash of caller, tool and arguments while the row may still be asked for again, and NULL after.
tool_approval = Table(
    "tool_approval",
    metadata,
    tenant_column(),
    Column("id", Text, primary_key=True),
    Column("live_key", Text),
    Column("tool", Text, nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("args_hash", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("roles", JSON, nullable=False),
    Column("customer", Text),
    Column("conversation_id", Text),
    Column("tainted", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    Column("requested_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("decided_by", Text),
    Column("decided_roles", JSON(none_as_null=True)),
    Column("decided_at", Double),
    Column("spent_at", Double),
    Column("is_error", Boolean),
    Column("outcome", JSON(none_as_null=True)),
    Column("finished_at", Double),
    # Who was behind the call: for a key, the person who made it.
    Column("person", Text),
    # Who said yes first, where it takes two.
    Column("first_by", Text),
    Index("tool_approval_live", "tenant", "live_key", unique=True),
    Index("tool_approval_by_state", "tenant", "state", "requested_at"),
    Index("tool_approval_by_customer", "tenant", "customer"),
)

refund = Table(
    "refund",
    metadata,
    tenant_column(),
    Column("id", Text, primary_key=True),
    Column("invoice_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("amount_cents", BigInteger, nullable=False),
    Column("reason", Text, nullable=False),
    Column("call_id", Text, nullable=False),
    Column("at", Double, nullable=False),
    ForeignKeyConstraint(["tenant", "invoice_id"], ["invoice.tenant", "invoice.id"]),
    Index("refund_by_invoice", "tenant", "invoice_id"),
    Index("refund_by_user", "tenant", "user_id", "at"),
)

# `effective` is the day on which the plan changes; a row without `undone_at` whose day is still
# to come is a scheduled change.
plan_change = Table(
    "plan_change",
    metadata,
    tenant_column(),
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("from_plan", Text, nullable=False),
    Column("to_plan", Text, nullable=False),
    Column("effective", Text, nullable=False),
    Column("charge_cents", BigInteger, nullable=False),
    Column("call_id", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("undone_at", Double),
    Index("plan_change_by_user", "tenant", "user_id", "at"),
)

# A link to be sent to the address on file; the newest makes the older ones invalid.
password_reset = Table(
    "password_reset",
    metadata,
    tenant_column(),
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("call_id", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Index("password_reset_by_user", "tenant", "user_id", "at"),
)

incident = Table(
    "incident",
    metadata,
    tenant_column(),
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("call_id", Text, nullable=False),
    Column("at", Double, nullable=False),
    Index("incident_by_user", "tenant", "user_id", "at"),
)
