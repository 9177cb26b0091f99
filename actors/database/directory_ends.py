"""The end of somebody's access, in the transaction that ends it: sessions, keys, roles given here, and all before."""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, delete, select, update

from actors.database.administration_tables import role_assignment
from actors.database.directory_rows import name_key
from actors.database.directory_tables import directory_end
from actors.database.identity_tables import session
from actors.database.sessions import SessionRow, session_of
from actors.database.tables import api_key
from actors.database.upsert import insert_into


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
    return Ended(subject, ended, key_ids, roles)


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
        return [subject]
    # Each database folds other letters than we do, so the choice is ours.
    provider = subject[: subject.index(":") + 1]
    near = select(column).where(*live, column.startswith(provider, autoescape=True)).distinct()
    return [each for each in connection.execute(near).scalars() if name_key(each) == subject]
