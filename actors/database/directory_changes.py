"""What replicas have to know of the directory: who may come in, and which groups they are in."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, and_, select

from actors.database.directory_tables import (
    directory,
    directory_end,
    directory_group,
    directory_member,
    directory_user,
)
from actors.database.engine import Database

_user, _end, _group, _member = (
    directory_user.c,
    directory_end.c,
    directory_group.c,
    directory_member.c,
)


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody as the directory has them; `groups` are those that were asked for."""

    subject: str
    active: bool
    groups: frozenset[str]


@dataclass(frozen=True, slots=True)
class Changed:
    """What changed of a tenant up to `change`: whose access ended when, and then who is known how.

    An end of somebody who is not among those known says that they are known no more.
    """

    tenant: str
    change: int
    ends: tuple[tuple[str, float], ...]
    people: tuple[Known, ...]


class DirectoryChanges:
    """Reads on from where a reader is."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def since(
        self, seen: Mapping[str, int], groups: Mapping[str, frozenset[str]]
    ) -> list[Changed]:
        """What changed of the tenants since, each from its own number on; 0 is the beginning.

        `groups` are the names, of each tenant, that mean something.
        """
        counters = select(directory).where(directory.c.tenant.in_(sorted(seen)))

        def work(connection: Connection) -> list[Changed]:
            now = {row.tenant: row.change for row in connection.execute(counters)}
            return [
                _changed(connection, tenant, seen[tenant], now[tenant], groups[tenant])
                for tenant in sorted(now)
                if now[tenant] > seen[tenant]
            ]

        return await self._database.read(work)


def _changed(
    connection: Connection, tenant: str, seen: int, now: int, groups: frozenset[str]
) -> Changed:
    ends = select(_end.subject, _end.at).where(_end.tenant == tenant, _end.change > seen)
    new = and_(_user.tenant == tenant, _user.change > seen, _user.subject.is_not(None))
    people = select(_user.id, _user.subject, _user.active).where(new)
    memberships = (
        select(_user.id, _group.display_name)
        .join(directory_member, and_(_member.tenant == _user.tenant, _member.user_id == _user.id))
        .join(directory_group, and_(_group.tenant == _member.tenant, _group.id == _member.group_id))
        .where(new, _group.display_name.in_(sorted(groups)))
    )
    theirs: dict[str, set[str]] = {}
    if groups:
        for user_id, name in connection.execute(memberships):
            theirs.setdefault(user_id, set()).add(name)
    return Changed(
        tenant,
        now,
        tuple((subject, at) for subject, at in connection.execute(ends)),
        tuple(
            Known(subject, active, frozenset(theirs.get(user_id, ())))
            for user_id, subject, active in connection.execute(people)
        ),
    )
