"""The end of somebody's access, in the transaction that ends it: sessions, keys, roles given here, and all before.

So do calls that wait for a human's word, or have it: who was put out has nothing done any more. The id
of a program stands in rows behind a word of its own (`actors.subjects.PROGRAM`).
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, bindparam, delete, exists, or_, select, update

from actors.database.administration_tables import role_assignment
from actors.database.approval_ends import ENDED, IS_OPEN
from actors.database.directory_rows import name_key
from actors.database.directory_tables import directory_end, directory_user
from actors.database.identity_tables import session
from actors.database.sessions import SessionRow, session_of
from actors.database.tables import api_key
from actors.database.tool_tables import tool_approval
from actors.database.upsert import insert_into
from actors.subjects import API_KEY, PROGRAM
from routing.errors import AccessError


@dataclass(frozen=True, slots=True)
class Ended:
    """Whose access ended, with the sessions, keys and assigned roles that ended by it."""

    subject: str
    sessions: tuple[SessionRow, ...]
    keys: tuple[str, ...]
    roles: frozenset[str]


def end_access(
    connection: Connection, tenant: str, subject: str, now: float, change: int, *, folds: bool
) -> Ended:
    """End what somebody has here. `folds` where names that differ in their case are one person's."""
    entry = (
        insert_into(directory_end, connection.dialect.name)
        .values(tenant=tenant, subject=subject, at=now, change=change)
        .on_conflict_do_update(
            index_elements=["tenant", "subject"], set_={"at": now, "change": change}
        )
    )
    connection.execute(entry).close()
    live_session = (session.c.tenant == tenant, session.c.ended_at.is_(None))
    theirs = _spelled(connection, session.c.subject, live_session, subject, folds=folds)
    sessions = (
        update(session)
        .where(*live_session, session.c.subject.in_(theirs))
        .values(ended_at=now, sealed_id_token=None)
        .returning(session)
    )
    ended = tuple(session_of(row) for row in connection.execute(sessions))
    live_key = (api_key.c.tenant == tenant, api_key.c.revoked_at.is_(None))
    theirs = _spelled(connection, api_key.c.created_by, live_key, subject, folds=folds)
    keys = (
        update(api_key)
        .where(*live_key, api_key.c.created_by.in_(theirs))
        .values(revoked_at=now)
        .returning(api_key.c.key_id)
    )
    key_ids = tuple(connection.execute(keys).scalars())
    # Or whoever is called so one day would be what this person was.
    here = (role_assignment.c.tenant == tenant,)
    theirs = _spelled(connection, role_assignment.c.subject, here, subject, folds=folds)
    assigned = (
        delete(role_assignment)
        .where(*here, role_assignment.c.subject.in_(theirs))
        .returning(role_assignment.c.roles)
    )
    roles = frozenset(role for row in connection.execute(assigned) for role in row.roles)
    _end_approvals(connection, tenant, subject, key_ids, folds=folds)
    return Ended(subject, ended, key_ids, roles)


def must_be_in(connection: Connection, tenant: str, person: str) -> None:
    """Return unless somebody was put out; raises AccessError.

    For what a replica does that may not have heard of it yet, in the transaction that does it.
    """
    whose = {"of": tenant, "whose": person.removeprefix(PROGRAM)}
    if connection.execute(_IS_OUT, whose).scalar_one():
        raise AccessError("unauthenticated", "Whoever this is for is not active here.")


def is_out(tenant: ColumnElement[str], subject: ColumnElement[str]) -> ColumnElement[bool]:
    """Whether somebody's access ended and they are not active again, as this transaction sees it.

    `subject` is as the directory names them.
    """
    end, user = directory_end.c, directory_user.c
    ended = exists().where(end.tenant == tenant, end.subject == subject)
    is_back = exists().where(user.tenant == tenant, user.subject == subject, user.active)
    return ended & ~is_back


_IS_OUT = select(is_out(bindparam("of"), bindparam("whose")))


def _end_approvals(
    connection: Connection, tenant: str, subject: str, key_ids: tuple[str, ...], *, folds: bool
) -> None:
    """End the calls that somebody asked for, and take back their yes where it takes a second."""
    asked = tool_approval.c
    here = (asked.tenant == tenant, IS_OPEN)
    keys = [f"{API_KEY}{key_id}" for key_id in key_ids]
    theirs = [
        column.in_(_spelled(connection, column, here, subject, folds=folds))
        for column in (asked.principal, asked.person)
    ]
    mine = or_(*theirs, asked.principal.in_(keys))
    connection.execute(update(tool_approval).where(*here, mine).values(dict(ENDED))).close()
    agreed = _spelled(connection, asked.first_by, here, subject, folds=folds)
    taken_back = update(tool_approval).where(*here, asked.first_by.in_(agreed))
    connection.execute(taken_back.values(first_by=None)).close()


def _spelled(
    connection: Connection,
    column: ColumnElement[str],
    live: tuple[ColumnElement[bool], ...],
    subject: str,
    *,
    folds: bool,
) -> list[str]:
    """The subject as it stands in the column: in several ways where their case does not count."""
    if not folds:
        return [subject, f"{PROGRAM}{subject}"]
    # Each database folds other letters than we do, so the choice is ours.
    provider = subject[: subject.index(":") + 1]
    begins = (
        column.startswith(each, autoescape=True) for each in (provider, f"{PROGRAM}{provider}")
    )
    near = select(column).where(*live, or_(*begins)).distinct()
    found = connection.execute(near).scalars()
    return [each for each in found if name_key(each.removeprefix(PROGRAM)) == subject]
