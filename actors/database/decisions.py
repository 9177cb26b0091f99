"""Why an answer came from where it came: one JSON document per decision, kept for a while."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from sqlalchemy import Connection, bindparam, delete, select

from actors.database.engine import Database
from actors.database.tables import decision
from actors.database.upsert import Insert, insert_into
from routing.message import Json, JsonObject


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """A decision as it was explained when it was taken."""

    id: str
    answer_id: str | None
    at: float
    body: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class NewDecision:
    """A decision to be kept."""

    tenant: str
    id: str
    answer_id: str | None
    at: float
    body: JsonObject


class Decisions:
    """Keeps decisions for those who ask why."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, decisions: Sequence[NewDecision]) -> None:
        """Keep these; one that is kept already stays as it is.

        Raises:
            DatabaseBusy: Nothing was written; try again.
            DatabaseUnavailable: The same.
        """
        rows = [
            {
                "tenant": new.tenant,
                "id": new.id,
                "answer_id": new.answer_id,
                "at": new.at,
                "body": new.body,
            }
            for new in decisions
        ]

        def work(connection: Connection) -> None:
            connection.execute(_keeping(connection.dialect.name), rows)

        if rows:
            await self._database.write(work)

    async def get(self, tenant: str, decision_id: str) -> DecisionRow | None:
        """The tenant's decision of that id, or None."""
        asked = {"of": tenant, "named": decision_id}
        row = await self._database.read(
            lambda connection: connection.execute(_BY_ID, asked).first()
        )
        return None if row is None else DecisionRow(row.id, row.answer_id, row.at, row.body)

    async def prune(self, older_than: float, keep: int) -> int:
        """Drop decisions taken before `older_than` and all but the newest `keep`; how many went.

        The bound is the store's, over all tenants: it is there so that a disk does not fill.
        """
        newest = select(decision.c.at).order_by(decision.c.at.desc()).offset(keep).limit(1)

        def work(connection: Connection) -> int:
            first_beyond: float | None = connection.execute(newest).scalar()
            crowded = -1.0 if first_beyond is None else first_beyond
            statement = delete(decision).where(
                (decision.c.at < older_than) | (decision.c.at <= crowded)
            )
            return connection.execute(statement).rowcount

        return await self._database.write(work)


@cache
def _keeping(dialect: str) -> Insert:
    return insert_into(decision, dialect).on_conflict_do_nothing()


_BY_ID = select(decision).where(
    decision.c.tenant == bindparam("of"), decision.c.id == bindparam("named")
)
