"""Roles that administrators gave to persons of their tenant.

Whose roles are taken away stays known as somebody who has none here, or their keys would be what they
were on the day they were made: also a key that a replica made which had not heard of it yet.
"""

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Row, bindparam, delete, exists, func, or_, select, update

from actors.database.administration_tables import role_assignment
from actors.database.engine import Database
from actors.database.tables import api_key
from actors.database.upsert import Insert, insert_into

if TYPE_CHECKING:
    from collections.abc import Sequence

ASSIGNED_MAX = 1000
"""People of one tenant: every process reads them all once a second. Many come from the provider."""

EMPTIED_MAX = 1000
"""Of those who have none any more: read as often. Taking away is never refused, new people are, so
that a tenant never has more rows than both numbers together."""

EMPTIED_S = 86_400.0
"""How long one stays known in any case: replicas learn it in seconds, and requests they let in before last minutes."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """A person's roles beside those that a provider claims, and who gave them when.

    Of one whose roles were taken away, `at` is when that was.
    """

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

    async def put(self, made: Assignment, before: Assignment | None) -> bool | None:
        """Write one down in place of `before`; False if it changed meanwhile, None if there are too many.

        Those of the tenant who have had none for a day are forgotten, unless a key of theirs is open.
        """
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
            asked = {"of": made.tenant, "named": made.subject}
            old = {"of": made.tenant, "now": made.at, "until": made.at - EMPTIED_S}
            connection.execute(_SWEEPING, old).close()
            others = connection.execute(_COUNT, asked).one()
            is_new = connection.execute(_ONE, asked).first() is None
            if others.assigned >= ASSIGNED_MAX or (is_new and others.emptied >= EMPTIED_MAX):
                return None
            connection.execute(_putting(connection.dialect.name), row)
            return True

        return await self._database.write(work)

    async def delete(self, seen: Assignment, now: float) -> bool:
        """Take one away that was looked at; False if it changed meanwhile."""
        asked = {"of": seen.tenant, "named": seen.subject, "now": now}

        def work(connection: Connection) -> bool:
            if _found(connection, seen) != seen:
                return False
            return connection.execute(_EMPTYING, asked).rowcount > 0

        return await self._database.write(work)


_IS = (role_assignment.c.tenant == bindparam("of")) & (
    role_assignment.c.subject == bindparam("named")
)
_ALL = select(role_assignment)
_OF = _ALL.where(role_assignment.c.tenant == bindparam("of")).order_by(role_assignment.c.subject)
_ONE = _ALL.where(_IS)
_EMPTYING = update(role_assignment).where(_IS).values(roles=[], at=bindparam("now"))
# Both databases have it under this name, and PostgreSQL does not compare JSON.
_IS_EMPTY = func.json_array_length(role_assignment.c.roles) == 0
_HAS_KEYS = exists().where(
    api_key.c.tenant == role_assignment.c.tenant,
    api_key.c.created_by == role_assignment.c.subject,
    api_key.c.revoked_at.is_(None),
    or_(api_key.c.expires_at.is_(None), api_key.c.expires_at > bindparam("now")),
)
_SWEEPING = delete(role_assignment).where(
    role_assignment.c.tenant == bindparam("of"),
    role_assignment.c.at < bindparam("until"),
    _IS_EMPTY,
    ~_HAS_KEYS,
)
_COUNT = (
    select(
        func.count().filter(~_IS_EMPTY).label("assigned"),
        func.count().filter(_IS_EMPTY).label("emptied"),
    )
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
