"""How good answers were: one word per decision, and whether the coordinator has learned from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, bindparam, delete, select, update

from actors.database.engine import Database
from actors.database.ledger import saving
from actors.database.tables import feedback
from actors.database.upsert import Insert, insert_into

LESSONS = "lessons"
"""The checkpoint of what all lessons together taught."""


@dataclass(frozen=True, slots=True)
class FeedbackRow:
    """How good, in 0..1, the answer of `target` was on which a decision was taken.

    `context` and `surplus` are what can be learned from it: None where the strategy was
    another one.
    """

    tenant: str
    decision_id: str
    quality: float
    target: str
    at: float
    context: tuple[float, ...] | None = None
    surplus: float | None = None


class Feedback:
    """Keeps feedback until it is learned from, and after."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, row: FeedbackRow) -> float:
        """Keep it, unless the decision has feedback already; the quality that is kept.

        Raises:
            DatabaseBusy: Nothing was written; try again.
            DatabaseUnavailable: The same.
        """
        values = {
            "tenant": row.tenant,
            "decision_id": row.decision_id,
            "quality": row.quality,
            "target": row.target,
            "at": row.at,
            "context": None if row.context is None else list(row.context),
            "surplus": row.surplus,
            "taught": row.context is None,
        }

        def work(connection: Connection) -> float:
            connection.execute(_keeping(connection.dialect.name), values)
            asked = {"of": row.tenant, "named": row.decision_id}
            kept: float = connection.execute(_QUALITY, asked).scalar_one()
            return kept

        return await self._database.write(work)

    async def untaught(self, limit: int) -> list[FeedbackRow]:
        """The oldest feedback nobody has learned from."""
        statement = (
            select(feedback)
            .where(feedback.c.taught.is_(False))
            .order_by(feedback.c.at, feedback.c.tenant, feedback.c.decision_id)
            .limit(limit)
        )
        return await self._rows(statement)

    async def given(self, tenant: str, limit: int) -> list[FeedbackRow]:
        """The tenant's, newest first."""
        statement = (
            select(feedback)
            .where(feedback.c.tenant == tenant)
            .order_by(feedback.c.at.desc(), feedback.c.decision_id)
            .limit(limit)
        )
        return await self._rows(statement)

    async def taught(self, rows: Sequence[FeedbackRow], lessons: str, now: float) -> None:
        """Note that these were learned from, together with what was learned.

        Raises:
            DatabaseBusy: Nothing was written; learn them again.
            DatabaseUnavailable: The same.
        """
        keys = [{"of": row.tenant, "named": row.decision_id} for row in rows]
        kept = {"name": LESSONS, "version": 1, "at": now, "body": lessons}

        def work(connection: Connection) -> None:
            connection.execute(_TEACHING, keys)
            connection.execute(saving(connection.dialect.name), kept)

        await self._database.write(work)

    async def _rows(self, statement: Select[*tuple[Any, ...]]) -> list[FeedbackRow]:
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        return [
            FeedbackRow(
                tenant=row.tenant,
                decision_id=row.decision_id,
                quality=row.quality,
                target=row.target,
                at=row.at,
                context=None if row.context is None else tuple(row.context),
                surplus=row.surplus,
            )
            for row in rows
        ]

    async def prune(self, older_than: float) -> int:
        """Drop what was given before `older_than` and learned from; how many went."""
        statement = delete(feedback).where(feedback.c.taught.is_(True), feedback.c.at < older_than)

        def work(connection: Connection) -> int:
            return connection.execute(statement).rowcount

        return await self._database.write(work)


@cache
def _keeping(dialect: str) -> Insert:
    return insert_into(feedback, dialect).on_conflict_do_nothing()


_IS_IT = (
    feedback.c.tenant == bindparam("of"),
    feedback.c.decision_id == bindparam("named"),
)
_QUALITY = select(feedback.c.quality).where(*_IS_IT)
_TEACHING = update(feedback).where(*_IS_IT).values(taught=True)
