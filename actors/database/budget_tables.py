"""The tables of budgets: what they are, what is leased of them, and what is held of other regions'.

What `tables.py` says of times, money and tenants holds here too.
"""

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, Table, Text

from actors.database.tables import metadata, tenant_column

# An empty tenant or subject is every one, each with a budget of its own.
budget = Table(
    "budget",
    metadata,
    tenant_column(),
    Column("id", Text, primary_key=True),
    Column("scope", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("limit_pico_usd", BigInteger, nullable=False),
    Column("configured", Boolean, nullable=False),
)


def _budget_key() -> tuple[Column[str], Column[str], Column[str], Column[str], Column[int]]:
    return (
        tenant_column(),
        Column("budget", Text, primary_key=True),
        Column("scope", Text, primary_key=True),
        Column("subject", Text, primary_key=True),
        Column("day", Integer, primary_key=True, autoincrement=False),
    )


# What one process or region has of a budget on a day, as that process told it last.
budget_lease = Table(
    "budget_lease",
    metadata,
    *_budget_key(),
    Column("lease", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("granted_pico_usd", BigInteger, nullable=False),
    Column("spent_pico_usd", BigInteger, nullable=False),
    Column("returned_pico_usd", BigInteger, nullable=False),
    Column("heard_at", Double, nullable=False),
    # The holder and the end of its lease, where it is another region.
    Column("region", Text, nullable=False, server_default=""),
    Column("runs_out_at", Double),
    Index("budget_lease_by_day", "day"),
)

# What was spent of a budget on a day by processes that are gone.
budget_spend = Table(
    "budget_spend",
    metadata,
    *_budget_key(),
    Column("settled_pico_usd", BigInteger, nullable=False),
    Index("budget_spend_by_day", "day"),
)

# What this region has of another's budget on a day: `routing.loan.Loan`.
budget_loan = Table(
    "budget_loan",
    metadata,
    *_budget_key(),
    Column("home", Text, primary_key=True),
    Column("lease", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("heard_seq", BigInteger, nullable=False),
    Column("want_pico_usd", BigInteger, nullable=False),
    Column("granted_pico_usd", BigInteger, nullable=False),
    Column("told_pico_usd", BigInteger, nullable=False),
    Column("returned_pico_usd", BigInteger, nullable=False),
    Column("need_pico_usd", BigInteger, nullable=False),
    Column("home_free_pico_usd", BigInteger, nullable=False),
    Column("is_reserve", Boolean, nullable=False),
    Column("is_closed", Boolean, nullable=False),
    Column("runs_out_at", Double, nullable=False),
    Column("heard_at", Double, nullable=False),
    Column("used_at", Double, nullable=False),
    Column("next_at", Double),
    Index("budget_loan_by_turn", "home", "next_at"),
    Index("budget_loan_by_day", "day"),
)

# The budgets of another region's tenants, as it told them last.
budget_abroad = Table(
    "budget_abroad",
    metadata,
    Column("home", Text, primary_key=True),
    tenant_column(),
    Column("id", Text, primary_key=True),
    Column("scope", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("limit_pico_usd", BigInteger, nullable=False),
    Column("configured", Boolean, nullable=False),
)

# The regions that ever told theirs; `digest` is of the last they told.
budget_home = Table(
    "budget_home",
    metadata,
    Column("home", Text, primary_key=True),
    Column("digest", Text, nullable=False),
)
