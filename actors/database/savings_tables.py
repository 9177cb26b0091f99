"""The tables of savings: an answer, and the targets that could have given it.

What `tables.py` says of times, money and tenants holds here too.
"""

from sqlalchemy import (
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

# `bucket` is a random group of answers, for intervals; `day` is counted since the epoch. A
# cost that is NULL is not known, which is not 0.
saving = Table(
    "saving",
    metadata,
    tenant_column(),
    Column("answer_id", Text, primary_key=True),
    Column("at", Double, nullable=False),
    Column("day", Integer, nullable=False),
    Column("bucket", Integer, nullable=False),
    Column("platform", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("strategy", Text, nullable=False),
    Column("answered", Boolean, nullable=False),
    Column("routed", Boolean, nullable=False),
    Column("simulated", Boolean, nullable=False),
    Column("actual_pico_usd", BigInteger),
    Column("default_target", Text),
    Column("default_pico_usd", BigInteger),
    Column("cheapest_pico_usd", BigInteger),
    Column("random_pico_usd", BigInteger),
    Index("saving_by_tenant_time", "tenant", "at"),
    Index("saving_by_time", "at"),
)

saving_target = Table(
    "saving_target",
    metadata,
    tenant_column(),
    Column("answer_id", Text, primary_key=True),
    Column("target", Text, primary_key=True),
    Column("quality", Double, nullable=False),
    Column("pico_usd", BigInteger),
    ForeignKeyConstraint(
        ["tenant", "answer_id"], ["saving.tenant", "saving.answer_id"], ondelete="CASCADE"
    ),
)
