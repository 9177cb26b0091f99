"""Sessions of people who signed on: found by the hash of a secret that only their browser has."""

from dataclasses import dataclass, field

from sqlalchemy import Connection, Row, and_, bindparam, delete, insert, or_, select, update

from actors.database.engine import Database
from actors.database.identity_tables import logout_token, session
from actors.database.upsert import insert_into


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session. `provider_session` is the provider's name of it, if it gave one.

    `signed_on_at` is when its provider says that the person proved who they are, None where it does
    not say: it may have opened this session for whoever sits at a browser that it knows.
    """

    tenant: str
    id_hash: str
    subject: str
    provider: str
    provider_session: str | None
    roles: frozenset[str]
    created_at: float
    seen_at: float
    expires_at: float
    ended_at: float | None = None
    sealed_id_token: str | None = field(default=None, repr=False)
    signed_on_at: float | None = None


@dataclass(frozen=True, slots=True)
class Logout:
    """A provider's logout: which session of its it ends, by name, or else all of a subject's.

    `of_subject` are names that mean something together with the subject alone, as SAML's do. It is
    remembered until `expires_at`, and counts once until then.
    """

    provider: str
    token_id: str
    expires_at: float
    tenant: str
    subject: str | None
    provider_session: str | None
    of_subject: tuple[str, ...] = ()


class SessionStore:
    """Keeps sessions, and ends them one by one or as their provider says."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, row: SessionRow) -> None:
        """Keep a session that was just opened; those long over go by retention, which asks for holds."""

        def work(connection: Connection) -> None:
            connection.execute(
                insert(session).values(
                    tenant=row.tenant,
                    id_hash=row.id_hash,
                    subject=row.subject,
                    provider=row.provider,
                    provider_session=row.provider_session,
                    roles=sorted(row.roles),
                    sealed_id_token=row.sealed_id_token,
                    created_at=row.created_at,
                    seen_at=row.seen_at,
                    expires_at=row.expires_at,
                    signed_on_at=row.signed_on_at,
                )
            ).close()

        await self._database.write(work)

    async def find(self, id_hash: str) -> SessionRow | None:
        """The session of that hash, over or not: whoever has its secret says by it whose he is."""
        asked = {"named": id_hash}
        row = await self._database.read(
            lambda connection: connection.execute(_BY_ID, asked).first()
        )
        return None if row is None else session_of(row)

    async def last_roles(self, tenant: str, subject: str) -> frozenset[str] | None:
        """The roles the provider's word gave somebody when they last signed on; None if that is not kept."""
        asked = {"of": tenant, "named": subject}
        roles = await self._database.read(lambda c: c.execute(_LAST_ROLES, asked).scalar())
        return None if roles is None else frozenset(roles)

    async def seen(self, row: SessionRow, now: float) -> None:
        """Note that the session is in use."""
        statement = (
            update(session)
            .where(session.c.tenant == row.tenant, session.c.id_hash == row.id_hash)
            .where(session.c.seen_at < now, session.c.ended_at.is_(None))
            .values(seen_at=now)
        )
        await self._database.write(lambda connection: connection.execute(statement).close())

    async def end(self, tenant: str, id_hash: str, now: float) -> bool:
        """End one session; False if it is over already."""
        statement = (
            update(session)
            .where(session.c.tenant == tenant, session.c.id_hash == id_hash)
            .where(session.c.ended_at.is_(None))
            .values(ended_at=now, sealed_id_token=None)
        )
        return await self._database.write(
            lambda connection: connection.execute(statement).rowcount > 0
        )

    async def end_by_provider(self, told: Logout, now: float) -> tuple[SessionRow, ...] | None:
        """End what a provider's logout token is about, and return it; None if the token is not new.

        A token is used up only together with the sessions: after a failure it may come again.
        """
        which = session.c.subject == told.subject
        if told.provider_session is not None:
            # A session whose name the provider never told could be the one that it means.
            unnamed = and_(which, session.c.provider_session.is_(None))
            which = or_(session.c.provider_session == told.provider_session, unnamed)
        elif told.of_subject:
            named = session.c.provider_session.in_(told.of_subject)
            which = and_(which, or_(named, session.c.provider_session.is_(None)))
        statement = (
            update(session)
            .where(session.c.tenant == told.tenant, session.c.provider == told.provider)
            .where(which, session.c.ended_at.is_(None))
            .values(ended_at=now, sealed_id_token=None)
            .returning(session)
        )

        def work(connection: Connection) -> tuple[SessionRow, ...] | None:
            connection.execute(delete(logout_token).where(logout_token.c.expires_at < now)).close()
            used = (
                insert_into(logout_token, connection.dialect.name)
                .values(provider=told.provider, token_id=told.token_id, expires_at=told.expires_at)
                .on_conflict_do_nothing()
            )
            if connection.execute(used).rowcount == 0:
                return None
            return tuple(session_of(row) for row in connection.execute(statement))

        return await self._database.write(work)


_BY_ID = select(session).where(session.c.id_hash == bindparam("named"))
_LAST_ROLES = (
    select(session.c.roles)
    .where(session.c.tenant == bindparam("of"), session.c.subject == bindparam("named"))
    .order_by(session.c.created_at.desc())
    .limit(1)
)


def session_of(row: Row[*tuple[object, ...]]) -> SessionRow:
    """A row of the table."""
    return SessionRow(
        tenant=row.tenant,
        id_hash=row.id_hash,
        subject=row.subject,
        provider=row.provider,
        provider_session=row.provider_session,
        roles=frozenset(row.roles),
        created_at=row.created_at,
        seen_at=row.seen_at,
        expires_at=row.expires_at,
        ended_at=row.ended_at,
        sealed_id_token=row.sealed_id_token,
        signed_on_at=row.signed_on_at,
    )
