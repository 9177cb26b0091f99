"""Which budgets the tenants of other regions have, as those regions told them last.

Kept, so that a region which starts while a home is away still knows what it must not overspend.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, select

from actors.database.budget_tables import budget_abroad, budget_home
from actors.database.engine import Database
from actors.database.upsert import insert_into
from routing.budget import Budget, Scope

_EVERY = ""


class BudgetsAbroad:
    """Definitions by the region they are at home in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> dict[str, list[Budget]]:
        """By home; a region that never told any is missing, which is not the same as none."""

        def work(connection: Connection) -> dict[str, list[Budget]]:
            found: dict[str, list[Budget]] = {
                row.home: [] for row in connection.execute(_HOMES).all()
            }
            for row in connection.execute(_ALL).all():
                found[row.home].append(
                    Budget(
                        id=row.id,
                        scope=Scope(row.scope),
                        limit_pico=row.limit_pico_usd,
                        tenant=row.tenant or None,
                        subject=row.subject or None,
                        is_configured=row.configured,
                    )
                )
            return found

        return await self._database.read(work)

    async def digest(self, home: str) -> str:
        """Of what a region told last; empty if it never did."""
        told: str | None = await self._database.read(
            lambda connection: connection.execute(_DIGEST, {"at": home}).scalar()
        )
        return told or ""

    async def hear(self, home: str, budgets: Sequence[Budget], digest: str) -> None:
        """Let a region's budgets be these."""
        gone = delete(budget_abroad).where(budget_abroad.c.home == home)
        rows = [
            {
                "home": home,
                "tenant": budget.tenant or _EVERY,
                "id": budget.id,
                "scope": budget.scope.value,
                "subject": budget.subject or _EVERY,
                "limit_pico_usd": budget.limit_pico,
                "configured": budget.is_configured,
            }
            for budget in budgets
        ]

        def work(connection: Connection) -> None:
            dialect = connection.dialect.name
            connection.execute(gone)
            if rows:
                connection.execute(insert_into(budget_abroad, dialect), rows)
            telling = insert_into(budget_home, dialect)
            telling = telling.on_conflict_do_update(
                index_elements=["home"], set_={"digest": telling.excluded.digest}
            )
            connection.execute(telling, {"home": home, "digest": digest})

        await self._database.write(work)


_HOMES = select(budget_home.c.home)
_DIGEST = select(budget_home.c.digest).where(budget_home.c.home == bindparam("at"))
_ALL = select(budget_abroad).order_by(
    budget_abroad.c.home, budget_abroad.c.tenant, budget_abroad.c.id
)
