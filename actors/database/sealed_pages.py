"""Every row of a sealed column, of all tenants, a page at a time: what is walked to seal anew or to look."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy import JSON, Connection, Row, Select, Table, select, tuple_

from actors.database.directory_rows import name_key
from actors.database.directory_tables import directory_user
from actors.database.memory_tables import memory_fact, runbook_step
from actors.database.sealed_places import EXTERNAL_ID, USER_NAME
from actors.database.tables import conversation, idempotency, thread, thread_item, turn
from actors.database.tool_tables import tool_approval, tool_call
from actors.database.tool_turns import tool_turn
from actors.sealing.envelope import Place, is_sealed
from actors.sealing.errors import SealBroken
from actors.sealing.keys import INDEX_PREFIX, TenantKeys

# At some 5 µs a row the write lock is held for a few milliseconds; rows of a megabyte take longer,
# and threads hold no more than four of them.
PAGE = 100
AnyRow: TypeAlias = Row[*tuple[Any, ...]]
Key: TypeAlias = Sequence[str | int]
_TABLES: Mapping[str, Table] = {
    table.name: table
    for table in (
        conversation,
        directory_user,
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
INDEXED: Mapping[Place, tuple[str, Callable[[str], str]]] = {
    USER_NAME: ("name_key", name_key),
    EXTERNAL_ID: ("external_key", str),
}
"""Of a column that is sought: which holds what its text is sought by, and how the text is written for that."""


def table_of(place: Place) -> Table:
    """The table of the column."""
    return _TABLES[place.table]


def key_columns(place: Place) -> list[Any]:
    """The columns of the rows' key, the tenant first."""
    return list(table_of(place).primary_key.columns)


def key_of(place: Place, row: AnyRow) -> list[str | int]:
    """The row's key."""
    return [getattr(row, column.name) for column in key_columns(place)]


def is_json(place: Place) -> bool:
    """Whether the column holds JSON."""
    return isinstance(table_of(place).c[place.column].type, JSON)


def page_after(connection: Connection, place: Place, after: Key | None) -> Sequence[AnyRow]:
    """Rows that have something there, in the order of their keys, from behind one on."""
    table, key = table_of(place), key_columns(place)
    columns = [*key, table.c[place.column]]
    if place in INDEXED:
        columns.append(table.c[INDEXED[place][0]])
    statement: Select[*tuple[Any, ...]] = select(*columns).where(table.c[place.column].is_not(None))
    if after is not None:
        statement = statement.where(tuple_(*key) > tuple_(*after))
    return connection.execute(statement.order_by(*key).limit(PAGE)).all()


def is_in_clear(place: Place, row: AnyRow) -> bool:
    """Whether who reads the database reads the text, there or in what it is sought by."""
    if not is_sealed(getattr(row, place.column)):
        return True
    return place in INDEXED and not str(index_in(place, row)).startswith(INDEX_PREFIX)


def index_in(place: Place, row: AnyRow) -> object:
    """What the row is sought by, of a column that is."""
    return getattr(row, INDEXED[place][0])


def opened(place: Place, keys: TenantKeys, row: AnyRow) -> Any:
    """What the row says there.

    Raises:
        SealBroken: it is not what was sealed there, or is found by something else.
        KeysUnavailable: its key is not known here yet.
    """
    value, row_id = getattr(row, place.column), key_of(place, row)[1:]
    found = (keys.open_json if is_json(place) else keys.open)(place, row_id, value)
    # What is in clear has nothing that could be held against what it is sought by.
    if place in INDEXED and is_sealed(value):
        written = INDEXED[place][1](found)
        if index_in(place, row) not in keys.indexes_of(place, written):
            raise SealBroken(f"{place.name} is found by something else")
    return found
