"""Which budgets there are: those of the configuration, and those an administrator made."""

from collections.abc import Iterable
from functools import cache

from sqlalchemy import Connection, Row, bindparam, delete, func, or_, select

from actors.database.budget_tables import budget as budget_table
from actors.database.engine import Database
from actors.database.upsert import Insert, insert_into
from routing.budget import Budget, Scope

# Every process reads them all once a second: 1,000 are 3 ms of that.
MADE_MAX = 200
"""Budgets an administrator may make for one tenant; `subject` None makes one for every user."""

_EVERY = ""


class BudgetDefinitions:
    """Keeps what may be spent. What was spent is kept in `budget_books.py`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[Budget]:
        """Every tenant's, in the order of their ids."""
        rows = await self._database.read(lambda connection: connection.execute(_ALL).all())
        return [_budget_of(row) for row in rows]

    async def of(self, tenant: str) -> list[Budget]:
        """Those that concern the tenant, in the order of their ids."""
        asked = {"of": tenant}
        rows = await self._database.read(lambda connection: connection.execute(_OF, asked).all())
        return [_budget_of(row) for row in rows]

    async def put(self, made: Budget) -> bool:
        """Make or change an administrator's budget; False if its tenant has too many already."""
        row = _row_of(made)

        def work(connection: Connection) -> bool:
            others = connection.execute(_COUNT, {"of": row["tenant"], "named": made.id}).scalar()
            if (others or 0) >= MADE_MAX:
                return False
            connection.execute(_putting(connection.dialect.name), row)
            return True

        return await self._database.write(work)

    async def delete(self, tenant: str, budget_id: str) -> bool:
        """Take an administrator's budget away; False if the tenant has none of that id.

        What was spent of it today stays known: made again under its id, it goes on from there.
        """
        statement = delete(budget_table).where(
            budget_table.c.tenant == tenant,
            budget_table.c.id == budget_id,
            budget_table.c.configured.is_(False),
        )
        return await self._database.write(
            lambda connection: connection.execute(statement).rowcount > 0
        )

    async def declare(self, configured: Iterable[Budget]) -> None:
        """Let the configuration's budgets be these; the administrators' stay."""
        rows = [_row_of(budget) for budget in configured]
        gone = delete(budget_table).where(budget_table.c.configured.is_(True))

        def work(connection: Connection) -> None:
            connection.execute(gone)
            if rows:
                connection.execute(_putting(connection.dialect.name), rows)

        await self._database.write(work)


_ALL = select(budget_table).order_by(budget_table.c.tenant, budget_table.c.id)
_OF = (
    select(budget_table)
    .where(or_(budget_table.c.tenant == bindparam("of"), budget_table.c.tenant == _EVERY))
    .order_by(budget_table.c.id)
)
_COUNT = (
    select(func.count())
    .select_from(budget_table)
    .where(
        budget_table.c.tenant == bindparam("of"),
        budget_table.c.id != bindparam("named"),
        budget_table.c.configured.is_(False),
    )
)


@cache
def _putting(dialect: str) -> Insert:
    statement = insert_into(budget_table, dialect)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["tenant", "id"],
        set_={
            "scope": new.scope,
            "subject": new.subject,
            "limit_pico_usd": new.limit_pico_usd,
            "configured": new.configured,
        },
    )


def _row_of(budget: Budget) -> dict[str, object]:
    return {
        "tenant": budget.tenant or _EVERY,
        "id": budget.id,
        "scope": budget.scope.value,
        "subject": budget.subject or _EVERY,
        "limit_pico_usd": budget.limit_pico,
        "configured": budget.is_configured,
    }


def _budget_of(row: Row[*tuple[object, ...]]) -> Budget:
    return Budget(
        id=row.id,
        scope=Scope(row.scope),
        limit_pico=row.limit_pico_usd,
        tenant=row.tenant or None,
        subject=row.subject or None,
        is_configured=row.configured,
    )
