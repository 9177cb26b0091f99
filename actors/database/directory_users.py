"""People of the directory: made, found, changed and taken away, with the end of what they had here."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, true, update

from actors.database.directory_ends import Ended, end_access
from actors.database.directory_rows import (
    Condition,
    NameTaken,
    UserRow,
    count_of,
    next_change,
)
from actors.database.directory_seals import (
    columns_of,
    is_named,
    needs_opening,
    opened_where,
    user_of,
    values_of,
)
from actors.database.directory_search import sql_of
from actors.database.directory_tables import (
    directory_end,
    directory_group,
    directory_member,
    directory_user,
)
from actors.database.engine import Database
from actors.database.sealing import Keys
from routing.errors import RequestError

# Every replica holds who may come in, 0.4 KB each: 40 MB of a company of the largest size.
USERS_MAX = 100_000
# SQLite takes 32,766 values in a statement, PostgreSQL 65,535.
CHUNK = 500
_user = directory_user.c


@dataclass(frozen=True, slots=True)
class Membership:
    """A group somebody is in."""

    group_id: str
    display_name: str


class DirectoryUsers:
    """The people of tenants. Every method but `delete` and `groups_of` may raise KeysUnavailable.

    `folds` is for a tenant whose subjects are names: two that differ in their case are one person's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, row: UserRow, *, folds: bool) -> Ended | None:
        """Keep somebody new; what ended where they are not active, or were put out before.

        Raises:
            NameTaken: the tenant has somebody of this name or subject.
            RequestError: it has as many as it can.
        """
        keys = await self._database.sealing.to_seek(row.tenant)

        def work(connection: Connection) -> Ended | None:
            _must_be_free(connection, row, keys)
            if count_of(connection, _user.tenant, row.tenant) >= USERS_MAX:
                raise RequestError("directory_full", f"A directory has {USERS_MAX} people at most.")
            change = next_change(connection, row.tenant)
            values = {"created_at": row.created_at, **values_of(keys, row, change)}
            connection.execute(insert(directory_user).values(values)).close()
            if row.subject is None or (row.active and not _was_ended(connection, row)):
                return None
            return end_access(
                connection, row.tenant, row.subject, row.created_at, change, folds=folds
            )

        return await self._database.write(work)

    async def find(self, tenant: str, user_id: str) -> UserRow | None:
        """The tenant's person of that id."""
        statement = select(directory_user).where(_user.tenant == tenant, _user.id == user_id)
        keys = await self._database.sealing.to_seek(tenant)
        row = await self._database.read(lambda connection: connection.execute(statement).first())
        return None if row is None else user_of(keys, row)

    async def search(
        self, tenant: str, condition: Condition | None, start: int, count: int
    ) -> tuple[int, list[UserRow]]:
        """How many of the tenant are so, and `count` of them from the one numbered `start` (from 1) on.

        The oldest come first, so that who is new meanwhile is on the last page.

        Raises:
            NotSought: an attribute of the condition is not sought by, or not compared in that way.
        """
        keys = await self._database.sealing.to_seek(tenant)
        if condition is not None and needs_opening(condition):
            return await opened_where(self._database, tenant, condition, keys, start, count)
        asked = true() if condition is None else sql_of(condition, columns_of(keys))
        which: ColumnElement[bool] = and_(_user.tenant == tenant, asked)
        page = (
            select(directory_user)
            .where(which)
            .order_by(_user.created_at, _user.id)
            .offset(start - 1)
            .limit(count)
        )

        def work(connection: Connection) -> tuple[int, list[UserRow]]:
            total = connection.execute(
                select(func.count()).select_from(directory_user).where(which)
            ).scalar_one()
            rows = connection.execute(page) if count else ()
            return int(total), [user_of(keys, row) for row in rows]

        return await self._database.read(work)

    async def replace(
        self, before: UserRow, after: UserRow, *, folds: bool
    ) -> tuple[Ended, ...] | None:
        """Put `after` in the place of `before`; what ended by it. None: they were changed meanwhile.

        Who is not active any more has nothing here any more, and nor has a subject that is nobody's
        from now on. Who is active again begins anew, and so does who becomes a subject that was put out:
        nothing of before comes back.

        Raises:
            NameTaken: the tenant has somebody else of this name or subject.
        """
        over = {before.subject} if before.subject != after.subject and before.active else set()
        if before.active != after.active or (not after.active and before.subject != after.subject):
            over.add(after.subject)
        which = (
            _user.tenant == before.tenant,
            _user.id == before.id,
            _user.version == before.version,
        )
        keys = await self._database.sealing.to_seek(after.tenant)

        def work(connection: Connection) -> tuple[Ended, ...] | None:
            _must_be_free(connection, after, keys)
            change = next_change(connection, after.tenant)
            changed = update(directory_user).where(*which).values(values_of(keys, after, change))
            if connection.execute(changed).rowcount == 0:
                return None
            is_other = before.subject != after.subject
            anew = {after.subject} if is_other and _was_ended(connection, after) else set()
            return tuple(
                end_access(connection, after.tenant, subject, after.updated_at, change, folds=folds)
                for subject in sorted(each for each in over | anew if each is not None)
            )

        return await self._database.write(work)

    async def delete(self, row: UserRow, now: float, *, folds: bool) -> tuple[Ended, ...] | None:
        """Forget somebody, and end what they have here. None: they were changed meanwhile.

        Who they were to sign-ons is kept, so that nothing of theirs opens again.
        """
        which = (_user.tenant == row.tenant, _user.id == row.id, _user.version == row.version)

        def work(connection: Connection) -> tuple[Ended, ...] | None:
            change = next_change(connection, row.tenant)
            if connection.execute(delete(directory_user).where(*which)).rowcount == 0:
                return None
            if row.subject is None:
                return ()
            return (end_access(connection, row.tenant, row.subject, now, change, folds=folds),)

        return await self._database.write(work)

    async def groups_of(
        self, tenant: str, users: Collection[str]
    ) -> Mapping[str, list[Membership]]:
        """The groups of people, by their ids; at most a page of them is asked for at once."""
        statement = (
            select(directory_member.c.user_id, directory_group.c.id, directory_group.c.display_name)
            .join(
                directory_group,
                and_(
                    directory_group.c.tenant == directory_member.c.tenant,
                    directory_group.c.id == directory_member.c.group_id,
                ),
            )
            .where(directory_member.c.tenant == tenant, directory_member.c.user_id.in_(users))
            .order_by(directory_group.c.name_key)
        )
        found: dict[str, list[Membership]] = {}
        if users:
            rows = await self._database.read(lambda connection: connection.execute(statement).all())
            for user_id, group_id, name in rows:
                found.setdefault(user_id, []).append(Membership(group_id, name))
        return found


def _must_be_free(connection: Connection, row: UserRow, keys: Keys) -> None:
    """Return if nobody else has the name or is the subject; raises NameTaken."""
    others = select(_user.id).where(_user.tenant == row.tenant, _user.id != row.id)
    if connection.execute(others.where(is_named(keys, row.user_name))).first() is not None:
        raise NameTaken("userName")
    if row.subject is None:
        return
    if connection.execute(others.where(_user.subject == row.subject)).first() is not None:
        raise NameTaken("externalId")


def _was_ended(connection: Connection, row: UserRow) -> bool:
    end = directory_end.c
    asked = select(end.at).where(end.tenant == row.tenant, end.subject == row.subject)
    return connection.execute(asked).first() is not None
