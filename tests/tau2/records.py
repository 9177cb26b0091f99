"""A benchmark domain's database as rows of ours: one JSON body for each record, under its kind and id."""

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    Connection,
    Integer,
    MetaData,
    Table,
    Text,
    bindparam,
    select,
    type_coerce,
    update,
)
from sqlalchemy import insert as inserting

from routing.errors import AccessError

Record = dict[str, Any]
"""A record's body: JSON of a shape that only its own domain knows."""

# `place` is where it stood in the file: a search answers in that order.
_table = Table(
    "benchmark_record",
    MetaData(),
    Column("kind", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("place", Integer, nullable=False),
    Column("body", JSON, nullable=False),
)
_ONE = select(_table.c.body).where(
    _table.c.kind == bindparam("of"), _table.c.id == bindparam("named")
)
_ALL = select(_table.c.body).where(_table.c.kind == bindparam("of")).order_by(_table.c.place)
_KEEPING = (
    update(_table)
    .where(_table.c.kind == bindparam("of"), _table.c.id == bindparam("named"))
    .values(body=bindparam("is_now", type_=_table.c.body.type))
)


def fill(connection: Connection, data: Mapping[str, Mapping[str, Record]]) -> None:
    """Make the table and put a domain's whole database into it."""
    _table.create(connection)
    for kind, records in data.items():
        rows = [
            {"kind": kind, "id": name, "place": place, "body": body}
            for place, (name, body) in enumerate(records.items())
        ]
        connection.execute(inserting(_table), rows)


def texts(connection: Connection) -> dict[tuple[str, str], str]:
    """Every record as it is written, by kind and id."""
    written = select(_table.c.kind, _table.c.id, type_coerce(_table.c.body, Text).label("text"))
    return {(row.kind, row.id): row.text for row in connection.execute(written)}


def one(connection: Connection, kind: str, name: str) -> Record:
    """The record; AccessError where there is none."""
    body: Record | None = connection.execute(_ONE, {"of": kind, "named": name}).scalar()
    if body is None:
        raise AccessError("not_found", f"There is no {kind.removesuffix('s')} {name}.")
    return body


def every(connection: Connection, kind: str) -> Iterator[Record]:
    """All records of a kind."""
    yield from connection.scalars(_ALL, {"of": kind})


def keep(connection: Connection, kind: str, name: str, body: Record) -> None:
    """Let the record be this from now on."""
    connection.execute(_KEEPING, {"of": kind, "named": name, "is_now": body})


def add(connection: Connection, kind: str, name: str, body: Record) -> None:
    """A record that was not there."""
    row = {"kind": kind, "id": name, "place": 0, "body": body}
    connection.execute(inserting(_table), row)
