"""People of the directory as they are kept: sealed, and sought by keyed hashes of their names.

Two names that are one to `name_key` have one hash, so that a name is still nobody else's. A hash
knows no beginning and no part of a name: for those every row is opened and looked at.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, select, tuple_

from actors.database.directory_rows import (
    Compared,
    Comparison,
    Condition,
    Every,
    Never,
    Some,
    UserRow,
    name_key,
)
from actors.database.directory_search import Columns, Keyed, Plain, Text, sql_of
from actors.database.directory_tables import directory_user
from actors.database.engine import Database
from actors.database.sealed_places import EXTERNAL_ID, USER_ATTRIBUTES, USER_NAME
from actors.database.sealing import Keys
from actors.sealing.envelope import is_sealed
from actors.sealing.errors import SealBroken

NAME: Final = "userName"
PARTS: Final = frozenset[Comparison]({"co", "sw", "ew"})
"""Comparisons with a part of a name."""
# Two texts of each are opened, 60 µs a person as measured: 12 ms, and other reads come in between.
_PAGE = 200
_user = directory_user.c


def columns_of(keys: Keys) -> Columns:
    """What a tenant's people can be sought by in SQL."""
    return {
        "id": Text(_user.id),
        NAME: Keyed(_user.name_key, lambda name: keys.indexes_of(USER_NAME, name_key(name))),
        "externalId": Keyed(_user.external_key, lambda said: keys.indexes_of(EXTERNAL_ID, said)),
        "active": Plain(_user.active),
        "meta.created": Plain(_user.created_at),
        "meta.lastModified": Plain(_user.updated_at),
    }


def is_named(keys: Keys, name: str) -> ColumnElement[bool]:
    """Rows of whom somebody calls by this name, in any case of letters."""
    return _user.name_key.in_(keys.indexes_of(USER_NAME, name_key(name)))


def values_of(keys: Keys, row: UserRow, change: int) -> dict[str, object]:
    """The row as it is kept."""
    mine, external_id = (row.id,), row.external_id
    return {
        "tenant": row.tenant,
        "id": row.id,
        "user_name": keys.seal(USER_NAME, mine, row.user_name),
        "name_key": keys.index_of(USER_NAME, name_key(row.user_name)),
        "external_id": None if external_id is None else keys.seal(EXTERNAL_ID, mine, external_id),
        "external_key": None if external_id is None else keys.index_of(EXTERNAL_ID, external_id),
        "subject": row.subject,
        "active": row.active,
        "attributes": keys.seal_json(USER_ATTRIBUTES, mine, dict(row.attributes)),
        "version": row.version,
        "change": change,
        "updated_at": row.updated_at,
    }


def user_of(keys: Keys, row: Row[*tuple[Any, ...]]) -> UserRow:
    """The row that is kept.

    Raises:
        SealBroken: something of it is not what was sealed there, or it is found by another's name.
    """
    user_name, external_id = _names_of(keys, row)
    return UserRow(
        tenant=row.tenant,
        id=row.id,
        user_name=user_name,
        external_id=external_id,
        subject=row.subject,
        active=row.active,
        attributes=keys.open_json(USER_ATTRIBUTES, (row.id,), row.attributes),
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def needs_opening(condition: Condition) -> bool:
    """Whether it asks for a part of a name, which no hash says."""
    match condition:
        case Compared(attribute, how, value):
            return attribute == NAME and how in PARTS and isinstance(value, str)
        case Every(terms) | Some(terms):
            return any(map(needs_opening, terms))
        case Never(term):
            return needs_opening(term)


async def opened_where(
    database: Database, tenant: str, condition: Condition, keys: Keys, start: int, count: int
) -> tuple[int, list[UserRow]]:
    """How many of the tenant are so, and a page of them, by opening everybody's names one by one.

    Raises:
        NotSought: as `sql_of` does.
    """
    sql_of(_in_hashes(condition), columns_of(keys))
    total, found = 0, list[UserRow]()
    after: tuple[float, str] | None = None
    while True:
        rows = await database.read(partial(_matching, _next(tenant, after), condition, keys))
        for row, matches in rows:
            if matches:
                total += 1
                if start <= total < start + count:
                    found.append(user_of(keys, row))
        if len(rows) < _PAGE:
            return total, found
        after = (rows[-1][0].created_at, rows[-1][0].id)


def _in_hashes(condition: Condition) -> Condition:
    """The same without what hashes do not say: what is left is refused where SQL refuses it."""
    match condition:
        case Compared() if needs_opening(condition):
            return Compared(NAME, "ne", None)
        case Every(terms):
            return Every(tuple(map(_in_hashes, terms)))
        case Some(terms):
            return Some(tuple(map(_in_hashes, terms)))
        case Never(term):
            return Never(_in_hashes(term))
        case _:
            return condition


def _next(tenant: str, after: tuple[float, str] | None) -> Select[*tuple[Any, ...]]:
    statement: Select[*tuple[Any, ...]] = select(directory_user).where(_user.tenant == tenant)
    if after is not None:
        statement = statement.where(tuple_(_user.created_at, _user.id) > tuple_(*after))
    return statement.order_by(_user.created_at, _user.id).limit(_PAGE)


def _matching(
    page: Select[*tuple[Any, ...]], condition: Condition, keys: Keys, connection: Connection
) -> list[tuple[Row[*tuple[Any, ...]], bool]]:
    rows = connection.execute(page).all()
    return [(row, _holds(condition, _seen(keys, row))) for row in rows]


def _seen(keys: Keys, row: Row[*tuple[Any, ...]]) -> Mapping[str, Any]:
    user_name, external_id = _names_of(keys, row)
    return {
        "id": row.id,
        NAME: name_key(user_name),
        "externalId": external_id,
        "active": row.active,
        "meta.created": row.created_at,
        "meta.lastModified": row.updated_at,
    }


def _holds(condition: Condition, seen: Mapping[str, Any]) -> bool:
    match condition:
        case Every(terms):
            return all(_holds(term, seen) for term in terms)
        case Some(terms):
            return any(_holds(term, seen) for term in terms)
        case Never(term):
            return not _holds(term, seen)
        case Compared(attribute, how, value):
            is_name = attribute == NAME and isinstance(value, str)
            return _compares(how, seen[attribute], name_key(str(value)) if is_name else value)


def _compares(how: Comparison, found: Any, value: Any) -> bool:  # noqa: PLR0911
    match how:
        case "eq":
            return bool(found == value)
        case "ne":
            return bool(found != value)
        case "co":
            return value in found
        case "sw":
            return bool(found.startswith(value))
        case "ew":
            return bool(found.endswith(value))
        case "gt":
            return bool(found > value)
        case "ge":
            return bool(found >= value)
        case "lt":
            return bool(found < value)
        case "le":
            return bool(found <= value)


def _names_of(keys: Keys, row: Row[*tuple[Any, ...]]) -> tuple[str, str | None]:
    mine, external_id = (row.id,), None
    user_name = keys.open(USER_NAME, mine, row.user_name)
    # What is in clear has nothing that could be held against what it is found by: `refuse_clear` refuses it.
    if is_sealed(row.user_name) and row.name_key not in keys.indexes_of(
        USER_NAME, name_key(user_name)
    ):
        raise SealBroken(f"{USER_NAME.name} is found by another name")
    if row.external_id is not None:
        external_id = keys.open(EXTERNAL_ID, mine, row.external_id)
        if is_sealed(row.external_id) and row.external_key not in keys.indexes_of(
            EXTERNAL_ID, external_id
        ):
            raise SealBroken(f"{EXTERNAL_ID.name} is found by another id")
    return user_name, external_id
