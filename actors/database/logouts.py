"""Logouts of identity providers: each counts once, also for sessions that are not open yet.

A provider's word of a person may be on its way while its logout comes and goes; the session it would
open is one of those that the logout ended (SAML Core 3.7.3.1). So marks of a logout stay: hashes of
which sessions it is about, and what the provider said of those before opens nothing any more.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, delete, or_, select

from actors.database.identity_tables import logout_mark, logout_token, session
from actors.database.upsert import insert_into


@dataclass(frozen=True, slots=True)
class Logout:
    """A provider's logout: which session of its it ends, by name, or else all of a subject's.

    `as_said` is the subject as the provider spells them: a session of before may stand under that.
    `of_subject` are names that mean something together with the subject alone, as SAML's do. It counts
    once until `expires_at`. What the provider said of these sessions at `at` or before opens none of
    them, and its marks stay until `held_until`, when that is too old anyway.
    """

    provider: str
    token_id: str
    expires_at: float
    tenant: str
    subject: str | None
    provider_session: str | None
    at: float
    held_until: float
    of_subject: tuple[str, ...] = ()
    as_said: str | None = None

    @property
    def ends(self) -> ColumnElement[bool]:
        """Which rows of its tenant's and provider's sessions it is about."""
        which = session.c.subject.in_([self.subject, self.as_said or self.subject])
        if self.provider_session is not None:
            # A session whose name the provider never told could be the one that it means.
            unnamed = and_(which, session.c.provider_session.is_(None))
            return or_(session.c.provider_session == self.provider_session, unnamed)
        if self.of_subject:
            named = session.c.provider_session.in_(self.of_subject)
            return and_(which, or_(named, session.c.provider_session.is_(None)))
        return which

    def marks(self) -> frozenset[str]:
        """The same for sessions that are no rows yet."""
        found = set[str]()
        if self.provider_session is not None:
            found.add(_hash("named", self.provider_session))
        if self.subject is not None:
            is_of_all = self.provider_session is None and not self.of_subject
            found.add(_hash("every" if is_of_all else "unnamed", self.subject))
            found.update(_hash("named of", self.subject, name) for name in self.of_subject)
        return frozenset(found)


@dataclass(frozen=True, slots=True)
class Vouched:
    """A provider's word that is to open a session: of whom, which of its own, and when it gave it."""

    tenant: str
    provider: str
    subject: str
    provider_session: str | None
    at: float

    def marks(self) -> Iterator[str]:
        """The marks of the logouts that are about such a session."""
        yield _hash("every", self.subject)
        if self.provider_session is None:
            yield _hash("unnamed", self.subject)
        else:
            yield _hash("named", self.provider_session)
            yield _hash("named of", self.subject, self.provider_session)


def take(connection: Connection, told: Logout, now: float) -> bool:
    """Use a logout up and keep its marks; False if it was used before."""
    for table in (logout_token, logout_mark):
        connection.execute(delete(table).where(table.c.expires_at < now)).close()
    used = (
        insert_into(logout_token, connection.dialect.name)
        .values(provider=told.provider, token_id=told.token_id, expires_at=told.expires_at)
        .on_conflict_do_nothing()
    )
    if connection.execute(used).rowcount == 0:
        return False
    marks = insert_into(logout_mark, connection.dialect.name)
    kept = marks.on_conflict_do_update(
        index_elements=["tenant", "provider", "whose"],
        set_={"at": marks.excluded.at, "expires_at": marks.excluded.expires_at},
        where=logout_mark.c.at < marks.excluded.at,
    )
    same = {"at": told.at, "expires_at": told.held_until}
    named = {"tenant": told.tenant, "provider": told.provider}
    each = [{**same, **named, "whose": whose} for whose in sorted(told.marks())]
    connection.execute(kept, each).close()
    return True


def is_signed_off(connection: Connection, word: Vouched) -> bool:
    """Whether the provider ended, as it gave its word or since, the session that this would open."""
    found = (
        select(logout_mark.c.at)
        .where(logout_mark.c.tenant == word.tenant, logout_mark.c.provider == word.provider)
        .where(logout_mark.c.whose.in_(word.marks()), logout_mark.c.at >= word.at)
    )
    return connection.execute(found.limit(1)).first() is not None


def _hash(*parts: str) -> str:
    # A subject is printable, so no other parts come to the same text.
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()
