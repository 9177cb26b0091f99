"""Roles that administrators gave to persons of their tenant.

Whose roles are taken away while keys of theirs are open stays known as somebody who has none here,
or those keys would be what they were on the day they were made.
"""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Row, bindparam, delete, func, select, update

from actors.database.administration_tables import role_assignment
from actors.database.engine import Database
from actors.database.tables import api_key
from actors.database.upsert import Insert, insert_into

if TYPE_CHECKING:
    from collections.abc import Sequence

ASSIGNED_MAX = 1000
"""People of one tenant: every process reads them all once a second. Many come from the provider."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A person's roles beside those that a provider claims, and who gave them when."""

    tenant: str
    subject: str
    roles: frozenset[str]
    author: str
    at: float


class RoleAssignments:
    """Keeps them, tenant first."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[Assignment]:
        """Every tenant's, also of those who had roles once and have none."""
        rows = await self._database.read(lambda connection: connection.execute(_ALL).all())
        return [_assignment_of(row) for row in rows]

    async def of(self, tenant: str) -> list[Assignment]:
        """A tenant's, by subject."""
        asked = {"of": tenant}
        rows = await self._database.read(lambda connection: connection.execute(_OF, asked).all())
        return [_assignment_of(row) for row in rows if row.roles]

    async def get(self, tenant: str, subject: str) -> Assignment | None:
        """A person's."""
        asked = {"of": tenant, "named": subject}
        row = await self._database.read(lambda c: c.execute(_ONE, asked).one_or_none())
        return None if row is None or not row.roles else _assignment_of(row)

    async def put(self, made: Assignment, before: Assignment | None) -> bool | None:
        """Write one down in place of `before`; False if it changed meanwhile, None if there are too many."""
        row = {
            "tenant": made.tenant,
            "subject": made.subject,
            "roles": sorted(made.roles),
            "author": made.author,
            "at": made.at,
        }

        def work(connection: Connection) -> bool | None:
            if _found(connection, made) != before:
                return False
            others = connection.execute(_COUNT, {"of": made.tenant, "named": made.subject}).scalar()
            if (others or 0) >= ASSIGNED_MAX:
                return None
            connection.execute(_putting(connection.dialect.name), row)
            return True

        return await self._database.write(work)

    async def delete(self, seen: Assignment) -> bool:
        """Take one away that was looked at; False if it changed meanwhile."""
        asked = {"of": seen.tenant, "named": seen.subject}

        def work(connection: Connection) -> bool:
            if _found(connection, seen) != seen:
                return False
            has_keys = connection.execute(_KEYS, asked).first() is not None
            ending = _EMPTYING if has_keys else _DELETING
            return connection.execute(ending, asked).rowcount > 0

        return await self._database.write(work)


_IS = (role_assignment.c.tenant == bindparam("of")) & (
    role_assignment.c.subject == bindparam("named")
)
_ALL = select(role_assignment)
_OF = _ALL.where(role_assignment.c.tenant == bindparam("of")).order_by(role_assignment.c.subject)
_ONE = _ALL.where(_IS)
_DELETING = delete(role_assignment).where(_IS)
_EMPTYING = update(role_assignment).where(_IS).values(roles=[])
_KEYS = select(api_key.c.key_id).where(
    api_key.c.tenant == bindparam("of"),
    api_key.c.created_by == bindparam("named"),
    api_key.c.revoked_at.is_(None),
)
_COUNT = (
    select(func.count())
    .select_from(role_assignment)
    .where(
        role_assignment.c.tenant == bindparam("of"),
        role_assignment.c.subject != bindparam("named"),
    )
)


def _found(connection: Connection, like: Assignment) -> Assignment | None:
    asked = {"of": like.tenant, "named": like.subject}
    row = connection.execute(_ONE, asked).one_or_none()
    return None if row is None or not row.roles else _assignment_of(row)


@cache
def _putting(dialect: str) -> Insert:
    statement = insert_into(role_assignment, dialect)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["tenant", "subject"],
        set_={"roles": new.roles, "author": new.author, "at": new.at},
    )


def _assignment_of(row: Row[*tuple[object, ...]]) -> Assignment:
    roles: Sequence[str] = row.roles
    return Assignment(row.tenant, row.subject, frozenset(roles), row.author, row.at)
