"""Every table, tenant first in every key that belongs to one.

Times are seconds since the epoch, money is whole pico-dollars (10^-12 USD), so that
sums are exact in any database; bodies are JSON objects. Only columns that a query needs
are columns.
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
    MetaData,
    Table,
    Text,
)

metadata = MetaData()


def tenant_column() -> Column[str]:
    """The first part of every key, in every table that is a tenant's."""
    return Column("tenant", Text, primary_key=True)


api_key = Table(
    "api_key",
    metadata,
    tenant_column(),
    Column("key_id", Text, primary_key=True),
    Column("hash", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("roles", JSON, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("revoked_at", Double),
    # Narrower than its roles where they are lists: permissions, and networks it may be used from.
    Column("scopes", JSON(none_as_null=True)),
    Column("networks", JSON(none_as_null=True)),
    # The first key of those that replaced one another.
    Column("family", Text),
    # The subject of the person who made it, themselves or by a key of theirs.
    Column("created_by", Text),
    Index("api_key_by_family", "tenant", "family"),
    Index("api_key_by_maker", "tenant", "created_by"),
    # A bearer shows a key before anybody knows whose it is: ids are unique over all tenants.
    Index("api_key_by_id", "key_id", unique=True),
)

conversation = Table(
    "conversation",
    metadata,
    tenant_column(),
    Column("id", Text, primary_key=True),
    Column("user_id", Text),
    Column("last_seq", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    # Another one of the same id, after this one was deleted, has another incarnation.
    Column("incarnation", Text),
    # What was said up to `summary_seq`, in a few lines.
    Column("summary", Text),
    Column("summary_seq", Integer),
    Index("conversation_by_user", "tenant", "user_id", "updated_at"),
    Index("conversation_by_time", "tenant", "updated_at"),
)

turn = Table(
    "turn",
    metadata,
    tenant_column(),
    Column("conversation_id", Text, primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("role", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("answer_id", Text),
    Column("at", Double, nullable=False),
    ForeignKeyConstraint(
        ["tenant", "conversation_id"],
        ["conversation.tenant", "conversation.id"],
        ondelete="CASCADE",
    ),
)

# A conversation of OpenAI's API. `vendor` and `vendor_id` say where its items are when they
# are not here; `lease` is the run under way, and dead once `leased_until` has passed.
thread = Table(
    "thread",
    metadata,
    tenant_column(),
    Column("id", Text, primary_key=True),
    Column("metadata", JSON, nullable=False),
    Column("last_seq", Integer, nullable=False),
    Column("items", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("vendor", Text),
    Column("vendor_id", Text),
    Column("lease", Text),
    Column("leased_until", Double),
    Column("created_at", Double, nullable=False),
    Column("updated_at", Double, nullable=False),
    # Whose it is, where its maker said so or may ask about nobody else.
    Column("user_id", Text),
    Index("thread_by_user", "tenant", "user_id"),
    Index("thread_by_time", "tenant", "updated_at"),
)

# `state` is the turn in the words of the platform that answered, for that platform alone; it
# stands with the first item of its answer.
thread_item = Table(
    "thread_item",
    metadata,
    tenant_column(),
    Column("thread_id", Text, primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("id", Text, nullable=False),
    Column("body", JSON, nullable=False),
    Column("size", Integer, nullable=False),
    Column("answer_id", Text),
    Column("platform", Text),
    Column("state", JSON(none_as_null=True)),
    ForeignKeyConstraint(
        ["tenant", "thread_id"], ["thread.tenant", "thread.id"], ondelete="CASCADE"
    ),
    Index("thread_item_by_id", "tenant", "thread_id", "id", unique=True),
)

ledger = Table(
    "ledger",
    metadata,
    tenant_column(),
    Column("answer_id", Text, primary_key=True),
    Column("attempt", Integer, primary_key=True, autoincrement=False),
    Column("platform", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("latency_ms", Double, nullable=False),
    Column("first_byte_ms", Double),
    Column("input_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("cache_write_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cost_pico_usd", BigInteger),  # NULL: the price was unknown, which is not 0.
    Column("error", Text),
    Column("retry_after_s", Double),
    Column("abandoned", Boolean, nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("target", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("cost_is_estimate", Boolean, nullable=False),
    Column("long_cache_write_tokens", BigInteger, nullable=False),
    Index("ledger_by_tenant_time", "tenant", "at"),
    Index("ledger_by_time", "at"),
)

decision = Table(
    "decision",
    metadata,
    tenant_column(),
    Column("id", Text, primary_key=True),
    Column("answer_id", Text),
    Column("at", Double, nullable=False),
    Column("body", JSON, nullable=False),
    Index("decision_by_time", "at"),
    Index("decision_by_answer", "tenant", "answer_id"),
)

# `taught` is whether the coordinator has learned from it; `context` and `surplus` are the lesson.
feedback = Table(
    "feedback",
    metadata,
    tenant_column(),
    Column("decision_id", Text, primary_key=True),
    Column("quality", Double, nullable=False),
    Column("target", Text, nullable=False),
    Column("at", Double, nullable=False),
    Column("context", JSON(none_as_null=True)),
    Column("surplus", Double),
    Column("taught", Boolean, nullable=False),
    Index("feedback_by_state", "taught", "at"),
)

idempotency = Table(
    "idempotency",
    metadata,
    tenant_column(),
    Column("key", Text, primary_key=True),
    Column("body_hash", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("lease", Text, nullable=False),
    Column("status", Integer),
    Column("answer", JSON),
    Column("created_at", Double, nullable=False),
    Column("leased_at", Double, nullable=False),
    # About whom the answer is: it goes when they are erased.
    Column("user_id", Text),
    Index("idempotency_by_time", "created_at"),
    Index("idempotency_by_user", "tenant", "user_id"),
)

# The next three belong to the service, not to a tenant.
world = Table(
    "world",
    metadata,
    Column("hash", Text, primary_key=True),
    Column("at", Double, nullable=False),
    Column("body", Text, nullable=False),
    Index("world_by_time", "at"),
)

reporter = Table(
    "reporter",
    metadata,
    Column("replica", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("at", Double, nullable=False),
    Column("body", Text, nullable=False),
)

# What a company knows about its customers; filled by actors/knowledge/records.py.
customer = Table(
    "customer",
    metadata,
    tenant_column(),
    Column("user_id", Text, primary_key=True),
    Column("account_name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("plan", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("since", Text, nullable=False),
)

invoice = Table(
    "invoice",
    metadata,
    tenant_column(),
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("issued", Text, nullable=False),
    Column("amount_cents", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("paid_at", Text),
    Index("invoice_by_user", "tenant", "user_id", "issued"),
)

# "order" is a word of SQL.
customer_order = Table(
    "customer_order",
    metadata,
    tenant_column(),
    Column("id", Text, primary_key=True),
    Column("user_id", Text, nullable=False),
    Column("placed", Text, nullable=False),
    Column("item", Text, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("amount_cents", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Index("customer_order_by_user", "tenant", "user_id", "placed"),
)
