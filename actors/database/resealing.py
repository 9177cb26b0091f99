"""Seals anew what is kept: rows from before anything was sealed, and those under retired keys.

A walk over every sealed column, page by page, whose place is kept with each page: broken off, it
goes on where it was. What is written meanwhile is sealed already, and is never overwritten.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import orjson
from sqlalchemy import Connection, delete, select, tuple_, update

from actors.database.data_key_tables import reseal_progress
from actors.database.engine import Database
from actors.database.sealed_pages import (
    INDEXED,
    PAGE,
    AnyRow,
    is_in_clear,
    is_json,
    key_columns,
    key_of,
    opened,
    page_after,
    table_of,
)
from actors.database.sealed_places import PLACES
from actors.database.upsert import Insert, insert_into
from actors.sealing.envelope import Place, number_of
from actors.sealing.errors import SealBroken
from actors.sealing.keys import TenantKeys
from actors.sealing.ring import KeyRing
from routing.clock import Clock

_END = "end"


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
        ask = self._keys.to_seek if place in INDEXED else self._keys.to_seal
        keys = {tenant: await ask(tenant) for tenant in sorted(tenants)}
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
        table, rows = table_of(place), _page(connection, place)
        last: AnyRow | None = None
        for row in rows:
            if row.tenant not in keys:
                break  # It came in between; its keys are had for the next page.
            last, walked = row, replace(walked, seen=walked.seen + 1)
            try:
                anew = _resealed(place, keys[row.tenant], row)
            except SealBroken:
                walked = replace(walked, unreadable=walked.unreadable + 1)
                continue
            if anew is not None:
                same = tuple_(*key_columns(place)) == tuple_(*key_of(place, row))
                connection.execute(update(table).where(same).values(anew))
                walked = replace(walked, changed=walked.changed + 1)
        is_done = len(rows) < PAGE and (not rows or last is rows[-1])
        after = _END if is_done else _after(connection, place)
        if last is not None and not is_done:
            after = orjson.dumps(key_of(place, last)).decode()
        kept = {
            "place": place.name,
            "after": after,
            "rows_seen": walked.seen,
            "rows_changed": walked.changed,
            "at": self._clock.now(),
        }
        connection.execute(_keeping(connection.dialect.name), kept)
        return replace(walked, is_done=is_done)


def _resealed(place: Place, keys: TenantKeys, row: AnyRow) -> dict[str, str] | None:
    """The row's value under the current key; None where it is that already, which is looked at too."""
    value, row_id = getattr(row, place.column), key_of(place, row)[1:]
    text = opened(place, keys, row)
    if not is_in_clear(place, row) and number_of(value) == keys.current:
        return None
    anew = {place.column: (keys.seal_json if is_json(place) else keys.seal)(place, row_id, text)}
    if place in INDEXED:
        column, written = INDEXED[place]
        anew[column] = keys.index_of(place, written(text))
    return anew


def _page(connection: Connection, place: Place) -> Sequence[AnyRow]:
    after = _after(connection, place)
    if after == _END:
        return []
    return page_after(connection, place, orjson.loads(after) if after else None)


def _after(connection: Connection, place: Place) -> str:
    kept: str | None = connection.execute(
        select(reseal_progress.c.after).where(reseal_progress.c.place == place.name)
    ).scalar_one_or_none()
    return kept or ""


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
