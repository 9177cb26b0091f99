"""The audit log as it is searched: rows derived from the chains, and how far those were read."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache

from sqlalchemy import Connection, delete, func, select, tuple_

from actors.database.audit_tables import audit_event, audit_position
from actors.database.engine import Database
from actors.database.upsert import Insert, insert_into

SEARCH_MAX = 1000
"""Rows of one page."""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One record, with its place: entry `n` of `chain`."""

    tenant: str
    at_ms: int
    chain: str
    n: int
    action: str
    outcome: str
    subject: str
    credential: str
    object: str
    permission: str
    reason: str
    request: str
    status: int
    count: int


@dataclass(frozen=True, slots=True)
class AuditPosition:
    """How far a chain was read: the byte of a file, after entry `n`, where the head was `head`."""

    chain: str
    file: int
    byte: int
    n: int
    head: str


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """What is sought; None: whatever it is. `since_ms` is in it, `until_ms` is not.

    `subjects` and `objects` are names under which one and the same may be kept.
    """

    since_ms: int | None = None
    until_ms: int | None = None
    subjects: tuple[str, ...] | None = None
    objects: tuple[str, ...] | None = None
    action: str | None = None
    outcome: str | None = None


@dataclass(frozen=True, slots=True)
class AuditCursor:
    """The last row of a page, after which the next begins."""

    at_ms: int
    chain: str
    n: int


class AuditEvents:
    """Keeps and searches the derived rows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def position(self, chain: str) -> AuditPosition | None:
        """How far the chain was read."""
        asked = select(audit_position).where(audit_position.c.chain == chain)
        row = await self._database.read(lambda connection: connection.execute(asked).first())
        return None if row is None else AuditPosition(*row)

    async def positions(self) -> list[AuditPosition]:
        """The same of every chain there is or was."""
        asked = select(audit_position)
        rows = await self._database.read(lambda connection: connection.execute(asked).all())
        return [AuditPosition(*row) for row in rows]

    async def newest(self) -> dict[str, int]:
        """When the newest row of each chain was recorded, in milliseconds; of all that rows are left of."""
        event = audit_event.c
        asked = select(event.chain, func.max(event.at_ms)).group_by(event.chain)
        rows = await self._database.read(lambda connection: connection.execute(asked).all())
        return {str(chain): int(at_ms) for chain, at_ms in rows}

    async def put(self, events: Sequence[AuditEvent], at: AuditPosition) -> None:
        """Keep the rows, and that the chain was read up to `at`. What is kept already stays.

        Raises:
            DatabaseBusy: Nothing was written; try again.
            DatabaseUnavailable: The same.
        """
        rows = [_row(event) for event in events]

        def work(connection: Connection) -> None:
            dialect = connection.dialect.name
            if rows:
                connection.execute(_keeping(dialect), rows)
            connection.execute(_moving(dialect), _row(at))

        await self._database.write(work)

    async def search(
        self, tenant: str | None, query: AuditQuery, after: AuditCursor | None, limit: int
    ) -> list[AuditEvent]:
        """The newest first, `SEARCH_MAX` at most. `tenant` None is everybody's: for who runs it all."""
        event = audit_event.c
        asked = select(audit_event)
        if tenant is not None:
            asked = asked.where(event.tenant == tenant)
        if query.since_ms is not None:
            asked = asked.where(event.at_ms >= query.since_ms)
        if query.until_ms is not None:
            asked = asked.where(event.at_ms < query.until_ms)
        if query.subjects is not None:
            asked = asked.where(event.subject.in_(query.subjects))
        if query.objects is not None:
            asked = asked.where(event.object.in_(query.objects))
        if query.action is not None:
            asked = asked.where(event.action == query.action)
        if query.outcome is not None:
            asked = asked.where(event.outcome == query.outcome)
        if after is not None:
            place = tuple_(event.at_ms, event.chain, event.n)
            asked = asked.where(place < (after.at_ms, after.chain, after.n))
        order = (event.at_ms.desc(), event.chain.desc(), event.n.desc())
        asked = asked.order_by(*order).limit(min(limit, SEARCH_MAX))
        rows = await self._database.read(lambda connection: connection.execute(asked).all())
        return [AuditEvent(*row) for row in rows]

    async def prune(self, before_ms: int) -> int:
        """Let the rows go that are older; their records stay in the chains. How many went."""
        older = delete(audit_event).where(audit_event.c.at_ms < before_ms)
        return await self._database.write(lambda connection: connection.execute(older).rowcount)


def _row(kept: AuditEvent | AuditPosition) -> dict[str, str | int]:
    """Its columns: of plain values, so nothing is copied, which takes `asdict` ten times as long."""
    return {name: getattr(kept, name) for name in _COLUMNS[type(kept)]}


_COLUMNS = {
    kind: tuple(field.name for field in fields(kind)) for kind in (AuditEvent, AuditPosition)
}


@cache
def _keeping(dialect: str) -> Insert:
    return insert_into(audit_event, dialect).on_conflict_do_nothing()


@cache
def _moving(dialect: str) -> Insert:
    """Forward only: of two that read the same chain, the slower one changes nothing."""
    statement = insert_into(audit_position, dialect)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["chain"],
        set_={"file": new.file, "byte": new.byte, "n": new.n, "head": new.head},
        where=audit_position.c.n < new.n,
    )
