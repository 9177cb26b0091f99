"""Groups of the directory and who is in them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, true, update

from actors.database.directory_rows import (
    Condition,
    GroupRow,
    NameTaken,
    count_of,
    group_of,
    name_key,
    next_change,
)
from actors.database.directory_search import GROUP_ATTRIBUTES, sql_of
from actors.database.directory_tables import directory_group, directory_member, directory_user
from actors.database.directory_users import CHUNK
from actors.database.engine import Database
from routing.errors import RequestError

# More groups than that nobody gives an application; a rule names each one that means something.
GROUPS_MAX = 10_000
# 10,000 people in support are a large company; a group of all its people is not what gives roles.
MEMBERS_MAX = 10_000
# Of all groups of one answer, 200 bytes each: 4 MB.
MEMBERS_SHOWN = 20_000
_group, _member, _user = directory_group.c, directory_member.c, directory_user.c


@dataclass(frozen=True, slots=True)
class MemberChange:
    """What becomes of a group's members: these alone, or else those there are; then fewer and more."""

    only: frozenset[str] | None = None
    added: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()

    @property
    def is_none(self) -> bool:
        """Whether all stay as they are."""
        return self.only is None and not self.added and not self.removed


class DirectoryGroups:
    """The groups of tenants."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, row: GroupRow, members: frozenset[str]) -> None:
        """Keep a new group.

        Raises:
            NameTaken: the tenant has a group of this name.
            RequestError: somebody is not the tenant's, or there are too many of them or of groups.
        """

        def work(connection: Connection) -> None:
            _must_be_free(connection, row)
            if count_of(connection, _group.tenant, row.tenant) >= GROUPS_MAX:
                message = f"A directory has {GROUPS_MAX} groups at most."
                raise RequestError("directory_full", message)
            change = next_change(connection, row.tenant)
            values = {"created_at": row.created_at, **_values(row)}
            connection.execute(insert(directory_group).values(values)).close()
            _change_members(connection, row, MemberChange(added=members), change)

        await self._database.write(work)

    async def find(self, tenant: str, group_id: str) -> GroupRow | None:
        """The tenant's group of that id."""
        statement = select(directory_group).where(_group.tenant == tenant, _group.id == group_id)
        row = await self._database.read(lambda connection: connection.execute(statement).first())
        return None if row is None else group_of(row)

    async def search(
        self, tenant: str, condition: Condition | None, start: int, count: int
    ) -> tuple[int, list[GroupRow]]:
        """How many of the tenant's are so, and a page of them, as of people.

        Raises:
            NotSought: an attribute of the condition is not sought by, or not compared in that way.
        """
        asked = true() if condition is None else sql_of(condition, GROUP_ATTRIBUTES)
        which = and_(_group.tenant == tenant, asked)
        page = (
            select(directory_group)
            .where(which)
            .order_by(_group.created_at, _group.id)
            .offset(start - 1)
            .limit(count)
        )

        def work(connection: Connection) -> tuple[int, list[GroupRow]]:
            total = connection.execute(
                select(func.count()).select_from(directory_group).where(which)
            ).scalar_one()
            rows = connection.execute(page) if count else ()
            return int(total), [group_of(row) for row in rows]

        return await self._database.read(work)

    async def replace(self, before: GroupRow, after: GroupRow, members: MemberChange) -> bool:
        """Put `after` in the place of `before`, and change its members. False: it was changed meanwhile.

        Raises:
            NameTaken: the tenant has another group of this name.
            RequestError: somebody is not the tenant's, or there would be too many of them.
        """
        which = (
            _group.tenant == before.tenant,
            _group.id == before.id,
            _group.version == before.version,
        )

        def work(connection: Connection) -> bool:
            _must_be_free(connection, after)
            change = next_change(connection, after.tenant)
            changed = update(directory_group).where(*which).values(_values(after))
            if connection.execute(changed).rowcount == 0:
                return False
            _change_members(connection, after, members, change)
            if before.display_name != after.display_name:
                _touch_members(connection, after, change)
            return True

        return await self._database.write(work)

    async def delete(self, row: GroupRow) -> bool:
        """Forget a group and who was in it. False: it was changed meanwhile."""
        which = (_group.tenant == row.tenant, _group.id == row.id, _group.version == row.version)

        def work(connection: Connection) -> bool:
            change = next_change(connection, row.tenant)
            there = select(_group.id).where(*which).with_for_update()
            if connection.execute(there).first() is None:
                return False
            _touch_members(connection, row, change)
            connection.execute(delete(directory_group).where(*which)).close()
            return True

        return await self._database.write(work)

    async def members_of(self, tenant: str, groups: Sequence[str]) -> Mapping[str, list[str]]:
        """The ids of who is in groups of a page, by the groups' ids.

        The last groups are left out where all of them have more than `MEMBERS_SHOWN` together.
        """
        sizes = (
            select(_member.group_id, func.count())
            .where(_member.tenant == tenant, _member.group_id.in_(groups))
            .group_by(_member.group_id)
        )
        members = (
            select(_member.group_id, _member.user_id)
            .where(_member.tenant == tenant)
            .order_by(_member.user_id)
        )

        def work(connection: Connection) -> Mapping[str, list[str]]:
            counted = {group_id: int(count) for group_id, count in connection.execute(sizes)}
            totals = accumulate(counted.get(group_id, 0) for group_id in groups)
            fit = sum(total <= MEMBERS_SHOWN for total in totals)
            found: dict[str, list[str]] = {group_id: [] for group_id in groups[: max(fit, 1)]}
            rows = connection.execute(members.where(_member.group_id.in_(found)))
            for group_id, user_id in rows:
                found[group_id].append(user_id)
            return found

        return await self._database.read(work) if groups else {}


def _must_be_free(connection: Connection, row: GroupRow) -> None:
    named = select(_group.id).where(
        _group.tenant == row.tenant,
        _group.id != row.id,
        _group.name_key == name_key(row.display_name),
    )
    if connection.execute(named).first() is not None:
        raise NameTaken("displayName")


def _change_members(
    connection: Connection, row: GroupRow, wanted: MemberChange, change: int
) -> None:
    if wanted.is_none:
        return
    mine = (_member.tenant == row.tenant, _member.group_id == row.id)
    if wanted.only is None:
        # Of a large group only those are read who are spoken of.
        present = _among(connection, mine, wanted.added | wanted.removed)
        more, fewer = wanted.added - present, (wanted.removed - wanted.added) & present
    else:
        present = frozenset(connection.execute(select(_member.user_id).where(*mine)).scalars())
        final = (wanted.only - wanted.removed) | wanted.added
        more, fewer = final - present, present - final
    counted = select(func.count()).select_from(directory_member).where(*mine)
    size = int(connection.execute(counted).scalar_one()) + len(more) - len(fewer)
    if size > MEMBERS_MAX:
        raise RequestError("group_full", f"A group has {MEMBERS_MAX} members at most.")
    for part in _parts(more):
        there = select(_user.id).where(_user.tenant == row.tenant, _user.id.in_(part))
        if len(connection.execute(there).all()) < len(part):
            raise RequestError("unknown_member", "A member is nobody of this directory.")
        values = [{"tenant": row.tenant, "group_id": row.id, "user_id": each} for each in part]
        connection.execute(insert(directory_member), values).close()
    for part in _parts(fewer):
        connection.execute(delete(directory_member).where(*mine, _member.user_id.in_(part))).close()
    for part in _parts(more | fewer):
        touched = update(directory_user).where(_user.tenant == row.tenant, _user.id.in_(part))
        connection.execute(touched.values(change=change)).close()


def _among(
    connection: Connection, mine: tuple[ColumnElement[bool], ...], ids: frozenset[str]
) -> frozenset[str]:
    """Those of `ids` who are members."""
    return frozenset(
        user_id
        for part in _parts(ids)
        for user_id in connection.execute(
            select(_member.user_id).where(*mine, _member.user_id.in_(part))
        ).scalars()
    )


def _touch_members(connection: Connection, row: GroupRow, change: int) -> None:
    """What a group gives its members is another thing from this change on."""
    members = select(_member.user_id).where(
        _member.tenant == row.tenant, _member.group_id == row.id
    )
    touched = update(directory_user).where(_user.tenant == row.tenant, _user.id.in_(members))
    connection.execute(touched.values(change=change)).close()


def _parts(ids: Iterable[str]) -> Iterator[list[str]]:
    every = sorted(ids)
    for start in range(0, len(every), CHUNK):
        yield every[start : start + CHUNK]


def _values(row: GroupRow) -> dict[str, object]:
    return {
        "tenant": row.tenant,
        "id": row.id,
        "display_name": row.display_name,
        "name_key": name_key(row.display_name),
        "external_id": row.external_id,
        "version": row.version,
        "updated_at": row.updated_at,
    }
