"""Seals anew what is kept: rows from before anything was sealed, and those under retired keys.

A walk over every sealed column, page by page, whose place is kept with each page: broken off, it
goes on where it was. What is written meanwhile is sealed already, and is never overwritten.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import orjson
from sqlalchemy import JSON, Connection, Row, Select, Table, delete, select, tuple_, update

from actors.database.data_key_tables import reseal_progress
from actors.database.engine import Database
from actors.database.memory_tables import memory_fact, runbook_step
from actors.database.sealed_places import PLACES
from actors.database.tables import conversation, idempotency, thread, thread_item, turn
from actors.database.tool_tables import tool_approval, tool_call
from actors.database.tool_turns import tool_turn
from actors.database.upsert import Insert, insert_into
from actors.sealing.envelope import Place, is_sealed, number_of
from actors.sealing.errors import SealBroken
from actors.sealing.keys import TenantKeys
from actors.sealing.ring import KeyRing
from routing.clock import Clock

# At some 5 µs a row the write lock is held for a few milliseconds; rows of a megabyte take longer,
# and threads hold no more than four of them.
PAGE = 100
_END = "end"
_TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        conversation,
        idempotency,
        memory_fact,
        runbook_step,
        thread,
        thread_item,
        tool_approval,
        tool_call,
        tool_turn,
        turn,
    )
}


@dataclass(frozen=True, slots=True)
class Walked:
    """How far a column is: rows seen, sealed anew, and those that nobody can read, which stay."""

    place: str
    seen: int = 0
    changed: int = 0
    unreadable: int = 0
    is_done: bool = False


class Resealing:
    """Walks one column after the other."""

    def __init__(self, database: Database, keys: KeyRing, clock: Clock) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock

    async def begin(self) -> Sequence[Place]:
        """The columns that are left of the last walk; all of them if it had ended."""

        def work(connection: Connection) -> Sequence[Place]:
            ended = set(
                connection.execute(
                    select(reseal_progress.c.place).where(reseal_progress.c.after == _END)
                ).scalars()
            )
            left = [place for place in PLACES if place.name not in ended]
            if left:
                return left
            connection.execute(delete(reseal_progress))
            return PLACES

        return await self._database.write(work)

    async def step(self, walked: Walked, place: Place) -> Walked:
        """One page of the column.

        Raises:
            KeysUnavailable: nothing of this page was changed; it comes next time.
            DatabaseUnavailable: the same.
        """
        tenants = await self._database.read(
            lambda connection: {row.tenant for row in _page(connection, place)}
        )
        keys = {tenant: await self._keys.to_seal(tenant) for tenant in sorted(tenants)}
        return await self._database.write(
            lambda connection: self._written(connection, place, keys, walked)
        )

    def _written(
        self,
        connection: Connection,
        place: Place,
        keys: Mapping[str, TenantKeys],
        walked: Walked,
    ) -> Walked:
        table, rows = _table(place), _page(connection, place)
        last: Row[*tuple[Any, ...]] | None = None
        for row in rows:
            if row.tenant not in keys:
                break  # It came in between; its keys are had for the next page.
            last, walked = row, replace(walked, seen=walked.seen + 1)
            try:
                anew = _resealed(table, place, keys[row.tenant], row)
            except SealBroken:
                walked = replace(walked, unreadable=walked.unreadable + 1)
                continue
            if anew is not None:
                same = tuple_(*_key(table)) == tuple_(*_key_of(table, row))
                connection.execute(update(table).where(same).values({place.column: anew}))
                walked = replace(walked, changed=walked.changed + 1)
        is_done = len(rows) < PAGE and (not rows or last is rows[-1])
        after = _END if is_done else _after(connection, place)
        if last is not None and not is_done:
            after = orjson.dumps(_key_of(table, last)).decode()
        kept = {
            "place": place.name,
            "after": after,
            "rows_seen": walked.seen,
            "rows_changed": walked.changed,
            "at": self._clock.now(),
        }
        connection.execute(_keeping(connection.dialect.name), kept)
        return replace(walked, is_done=is_done)


def _resealed(
    table: Table, place: Place, keys: TenantKeys, row: Row[*tuple[Any, ...]]
) -> str | None:
    """The row's value under the current key; None where it is that already, which is looked at too."""
    value, row_id = getattr(row, place.column), _key_of(table, row)[1:]
    is_json = isinstance(table.c[place.column].type, JSON)
    opened = (keys.open_json if is_json else keys.open)(place, row_id, value)
    if is_sealed(value) and number_of(value) == keys.current:
        return None
    return (keys.seal_json if is_json else keys.seal)(place, row_id, opened)


def _page(connection: Connection, place: Place) -> Sequence[Row[*tuple[Any, ...]]]:
    table = _table(place)
    statement: Select[*tuple[Any, ...]] = select(*_key(table), table.c[place.column]).where(
        table.c[place.column].is_not(None)
    )
    after = _after(connection, place)
    if after == _END:
        return []
    if after:
        statement = statement.where(tuple_(*_key(table)) > tuple_(*orjson.loads(after)))
    return connection.execute(statement.order_by(*_key(table)).limit(PAGE)).all()


def _after(connection: Connection, place: Place) -> str:
    kept: str | None = connection.execute(
        select(reseal_progress.c.after).where(reseal_progress.c.place == place.name)
    ).scalar_one_or_none()
    return kept or ""


def _table(place: Place) -> Table:
    return _TABLES[place.table]


def _key(table: Table) -> list[Any]:
    return list(table.primary_key.columns)


def _key_of(table: Table, row: Row[*tuple[Any, ...]]) -> list[str | int]:
    return [getattr(row, column.name) for column in _key(table)]


@cache
def _keeping(dialect: str) -> Insert:
    statement = insert_into(reseal_progress, dialect)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["place"],
        set_={
            "after": new.after,
            "rows_seen": new.rows_seen,
            "rows_changed": new.rows_changed,
            "at": new.at,
        },
    )
