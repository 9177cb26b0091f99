"""People and groups of the directory as they are kept, and what a search of them may ask."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sqlalchemy import Connection, Row, func, select

from actors.database.directory_tables import directory
from actors.database.upsert import insert_into
from routing.errors import SupportMaxError

Comparison = Literal["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"]


@dataclass(frozen=True, slots=True)
class Compared:
    """An attribute held against a value; None is the value of one that is not there."""

    attribute: str
    how: Comparison
    value: str | bool | float | None


@dataclass(frozen=True, slots=True)
class Every:
    """All of them hold."""

    terms: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Some:
    """One of them holds."""

    terms: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class Never:
    """It does not hold."""

    term: "Condition"


Condition = Compared | Every | Some | Never
"""What a search asks of a row."""


@dataclass(frozen=True, slots=True)
class UserRow:
    """Somebody the directory knows.

    `subject` is who they are to sign-ons and tokens (`provider:id`), None where the identity
    provider has not said it yet. `attributes` are the rest of what it said.
    """

    tenant: str
    id: str
    user_name: str
    external_id: str | None
    subject: str | None
    active: bool
    attributes: Mapping[str, object] = field(repr=False)
    version: int
    created_at: float
    updated_at: float


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A group, without its members."""

    tenant: str
    id: str
    display_name: str
    external_id: str | None
    version: int
    created_at: float
    updated_at: float


class NameTaken(SupportMaxError):
    """Somebody else of the tenant has this name, or is this subject."""

    code = "name_taken"

    def __init__(self, attribute: str) -> None:
        super().__init__(attribute)
        self.attribute = attribute


class NotSought(SupportMaxError):
    """Nothing is sought by this attribute, or not in the way that was asked."""

    code = "not_sought"

    def __init__(self, attribute: str) -> None:
        super().__init__(attribute)
        self.attribute = attribute


def name_key(name: str) -> str:
    """How names are compared: two that differ in their case, or in how a letter is composed, are one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def next_change(connection: Connection, tenant: str) -> int:
    """The number of the change that this transaction makes.

    Two transactions of one tenant come one after the other from here on, so a reader who has seen
    a number has seen every smaller one.
    """
    counted = (
        insert_into(directory, connection.dialect.name)
        .values(tenant=tenant, change=1)
        .on_conflict_do_update(index_elements=["tenant"], set_={"change": directory.c.change + 1})
        .returning(directory.c.change)
    )
    return int(connection.execute(counted).scalar_one())


def count_of(connection: Connection, column: object, tenant: str) -> int:
    """How many rows the tenant has in the table of the column `tenant`."""
    statement = select(func.count()).where(column == tenant)  # type: ignore[arg-type]
    return int(connection.execute(statement).scalar_one())


def group_of(row: Row[*tuple[object, ...]]) -> GroupRow:
    """A row of `directory_group`."""
    return GroupRow(
        tenant=row.tenant,
        id=row.id,
        display_name=row.display_name,
        external_id=row.external_id,
        version=row.version,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
