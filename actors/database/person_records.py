"""What is stored about a person, read page by page in clear: an export, or how much there is."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import JSON, Connection, Row, Select, Table, func, select, tuple_

from actors.database.engine import Database
from actors.database.people import Holding, Naming, Person, sought
from actors.database.people_map import HOLDINGS, NAMINGS
from actors.database.sealed_places import PLACES
from actors.database.sealing import Keys
from routing.message import Json, JsonObject

PAGE = 200
"""Rows read at once: 200 turns of 4 kB are less than a megabyte of memory and 5 ms of the database."""
_SEALED = {(place.table, place.column): place for place in PLACES}
NAMED_IN = "named_in"
"""The section of rows about others in which the person is named: where, and no more."""


@dataclass(frozen=True, slots=True)
class Record:
    """One row, in clear, under the section it belongs to."""

    section: str
    body: JsonObject


class PersonRecords:
    """Reads a person's rows, for the tenant who knows the person and nobody else."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def counts(self, person: Person) -> dict[str, int]:
        """How many rows there are by section, empty ones left out; the same work for nobody."""
        # Not `to_seek`: who mistypes a tenant would leave keys of it behind.
        keys = await self._database.sealing.to_find(person.tenant)
        known = sought(person, keys)

        def work(connection: Connection) -> dict[str, int]:
            return count_rows(connection, known)

        return await self._database.read(work)

    async def pages(self, person: Person) -> AsyncIterator[Sequence[Record]]:
        """Every record, a page at a time; rows that are added meanwhile may be among them or not.

        Raises:
            KeysUnavailable: what is sealed cannot be opened now.
            DatabaseBusy, DatabaseUnavailable: the rest cannot be read.
        """
        keys = await self._database.sealing.to_seek(person.tenant)
        known = sought(person, keys)
        for holding in HOLDINGS:
            async for rows in self._rows(holding.table, select_of(holding, known)):
                yield [Record(holding.section, shown(holding, row, keys)) for row in rows]
        for naming in NAMINGS:
            async for rows in self._rows(naming.table, select_named(naming, person)):
                yield [Record(NAMED_IN, _pointer(naming, row)) for row in rows]

    async def _rows(
        self, table: Table, statement: Select[Any]
    ) -> AsyncIterator[Sequence[Row[*tuple[Any, ...]]]]:
        key = list(table.primary_key.columns)
        ordered = statement.order_by(*key).limit(PAGE)
        after: tuple[object, ...] | None = None
        while True:
            page = ordered if after is None else ordered.where(tuple_(*key) > tuple_(*after))
            rows = await self._database.read(partial(_all, page))
            if rows:
                yield rows
            if len(rows) < PAGE:
                return
            after = tuple(getattr(rows[-1], column.name) for column in key)


def count_rows(connection: Connection, person: Person) -> dict[str, int]:
    """How many rows there are by section, inside a transaction; empty sections left out."""
    counts = dict[str, int]()
    for holding in HOLDINGS:
        counts[holding.section] = _count(connection, select_of(holding, person))
    counts[NAMED_IN] = sum(_count(connection, select_named(one, person)) for one in NAMINGS)
    return {section: count for section, count in counts.items() if count}


def select_of(holding: Holding, person: Person) -> Select[Any]:
    """The person's rows of a holding."""
    return select(holding.table).where(holding.whose(person))


def select_named(naming: Naming, person: Person) -> Select[Any]:
    """The rows in which the person is named as who did something."""
    c = naming.table.c
    return select(naming.table).where(c.tenant == person.tenant, c[naming.column] == person.user_id)


def shown(holding: Holding, row: Row[*tuple[Any, ...]], keys: Keys) -> JsonObject:
    """The row in clear, without its tenant and what is hidden."""
    table = holding.table
    place_of = [getattr(row, c.name) for c in table.primary_key.columns if c.name != "tenant"]
    body = dict[str, Json]()
    for column in table.columns:
        if column.name == "tenant" or column.name in holding.hidden:
            continue
        value = getattr(row, column.name)
        place = _SEALED.get((table.name, column.name))
        if place is not None and value is not None:
            opened = keys.open_json if isinstance(column.type, JSON) else keys.open
            value = opened(place, place_of, value)
        body[_plain(column.name)] = value
    return body


def _all(page: Select[Any], connection: Connection) -> Sequence[Row[*tuple[Any, ...]]]:
    return connection.execute(page).all()


def _pointer(naming: Naming, row: Row[*tuple[Any, ...]]) -> JsonObject:
    key = {
        _plain(column.name): getattr(row, column.name)
        for column in naming.table.primary_key.columns
        if column.name not in {"tenant", naming.column}
    }
    # Whose row it is is somebody else's business.
    key = {
        name: value for name, value in key.items() if name not in {"user_id", "customer", "subject"}
    }
    return {"table": _plain(naming.table.name), "as": naming.column, **key}


def _plain(name: str) -> str:
    # SQLAlchemy's names are a kind of text that JSON does not take for a key.
    return f"{name}"


def _count(connection: Connection, statement: Select[Any]) -> int:
    counted: int = connection.execute(
        select(func.count()).select_from(statement.subquery())
    ).scalar_one()
    return counted
