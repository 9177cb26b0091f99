"""A search of the directory as SQL: whatever a caller wrote is a value in it, and never a word."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, exists, false, not_, or_

from actors.database.directory_rows import (
    Compared,
    Condition,
    Every,
    Never,
    NotSought,
    Some,
    name_key,
)
from actors.database.directory_tables import directory_group, directory_member


@dataclass(frozen=True, slots=True)
class Text:
    """A column of text; `is_name` where it holds what `name_key` makes of one."""

    column: ColumnElement[str]
    is_name: bool = False


@dataclass(frozen=True, slots=True)
class Keyed:
    """A column of keyed hashes; `indexes` are those that a text may stand there as."""

    column: ColumnElement[str]
    indexes: Callable[[str], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Plain:
    """A column of truth values or of times."""

    column: ColumnElement[bool] | ColumnElement[float]


Column = Text | Keyed | Plain
Columns = Mapping[str, Column]
"""What resources of a kind are sought by; of people: directory_seals.py."""

GROUP_ATTRIBUTES: Columns = {
    "id": Text(directory_group.c.id),
    "displayName": Text(directory_group.c.name_key, is_name=True),
    "externalId": Text(directory_group.c.external_id),
    "meta.created": Plain(directory_group.c.created_at),
    "meta.lastModified": Plain(directory_group.c.updated_at),
}
"""What groups can be sought by, beside `MEMBERS`."""
MEMBERS = "members"
"""A group's members, compared with somebody's id by `eq` alone."""


def sql_of(condition: Condition, columns: Columns) -> ColumnElement[bool]:
    """The rows for which the condition holds; two values of which one is missing are not alike.

    Raises:
        NotSought: nothing is sought by an attribute it names, or not in that way.
    """
    match condition:
        case Compared():
            return _compared(condition, columns)
        case Every(terms):
            return and_(*(sql_of(term, columns) for term in terms))
        case Some(terms):
            return or_(*(sql_of(term, columns) for term in terms))
        case Never(term):
            return not_(sql_of(term, columns))


def _compared(asked: Compared, columns: Columns) -> ColumnElement[bool]:
    if asked.attribute == MEMBERS:
        return _has_member(asked)
    column = columns.get(asked.attribute)
    if column is None:
        raise NotSought(asked.attribute)
    if asked.value is None:
        return _present(column, asked)
    match column:
        case Text(found, is_name) if isinstance(asked.value, str):
            value = name_key(asked.value) if is_name else asked.value
            return (
                and_(found.is_not(None), _text(found, asked, value, is_name=is_name))
                if (asked.how != "ne")
                else or_(found.is_(None), found != value)
            )
        case Keyed(found, indexes) if isinstance(asked.value, str):
            return _keyed(found, asked, indexes(asked.value))
        case Plain(found):
            return _plain(found, asked)
        case _:
            raise NotSought(asked.attribute)


def _present(column: Column, asked: Compared) -> ColumnElement[bool]:
    match asked.how:
        case "eq":
            return column.column.is_(None)
        case "ne":
            return column.column.is_not(None)
        case _:
            raise NotSought(asked.attribute)


def _text(
    column: ColumnElement[str], asked: Compared, value: str, *, is_name: bool
) -> ColumnElement[bool]:
    if asked.how == "eq":
        return column == value
    if not is_name:
        # LIKE tells large letters from small ones in one database and not in the other.
        raise NotSought(asked.attribute)
    match asked.how:
        case "co":
            return column.contains(value, autoescape=True)
        case "sw":
            return column.startswith(value, autoescape=True)
        case "ew":
            return column.endswith(value, autoescape=True)
        case _:
            raise NotSought(asked.attribute)


def _keyed(
    column: ColumnElement[str], asked: Compared, indexes: Sequence[str]
) -> ColumnElement[bool]:
    match asked.how:
        case "eq":
            return and_(column.is_not(None), column.in_(indexes))
        case "ne":
            return or_(column.is_(None), column.not_in(indexes))
        case _:
            raise NotSought(asked.attribute)


def _plain(
    column: ColumnElement[bool] | ColumnElement[float], asked: Compared
) -> ColumnElement[bool]:
    value = asked.value
    match asked.how, value:
        case "eq", _:
            return column == value
        case "ne", _:
            return column != value
        case _, bool():
            raise NotSought(asked.attribute)
        case "gt", _:
            return column > value
        case "ge", _:
            return column >= value
        case "lt", _:
            return column < value
        case "le", _:
            return column <= value
        case _:
            raise NotSought(asked.attribute)


def _has_member(asked: Compared) -> ColumnElement[bool]:
    if asked.how != "eq":
        raise NotSought(asked.attribute)
    if not isinstance(asked.value, str):
        return false()
    group, member = directory_group.c, directory_member.c
    return exists().where(
        member.tenant == group.tenant, member.group_id == group.id, member.user_id == asked.value
    )
