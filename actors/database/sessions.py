"""Sessions of people who signed on: found by the hash of a secret that only their browser has."""

from dataclasses import dataclass, field

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from actors.database.engine import Database
from actors.database.identity_tables import session
from actors.database.logouts import Logout, Vouched, is_signed_off, take


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


class SessionStore:
    """Keeps sessions, and ends them one by one or as their provider says."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, row: SessionRow, vouched_at: float | None = None) -> bool:
        """Keep a session that was just opened; those long over go by retention, which asks for holds.

        False, and there is none, if its provider gave its word for it at `vouched_at` and has signed
        it off since; None is one whose provider signs nobody off.
        """

        def work(connection: Connection) -> bool:
            if vouched_at is not None and is_signed_off(connection, _word(row, vouched_at)):
                return False
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
            return True

        return await self._database.write(work)

    async def is_signed_off(self, row: SessionRow, vouched_at: float) -> bool:
        """Whether `add` would refuse it now."""
        word = _word(row, vouched_at)
        return await self._database.read(lambda connection: is_signed_off(connection, word))

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
        """End what a provider's logout is about, and return it; None if the logout is not new.

        It is used up only together with the sessions: after a failure it may come again.
        """
        statement = (
            update(session)
            .where(session.c.tenant == told.tenant, session.c.provider == told.provider)
            .where(told.ends, session.c.ended_at.is_(None))
            .values(ended_at=now, sealed_id_token=None)
            .returning(session)
        )

        def work(connection: Connection) -> tuple[SessionRow, ...] | None:
            if not take(connection, told, now):
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


def _word(row: SessionRow, vouched_at: float) -> Vouched:
    return Vouched(row.tenant, row.provider, row.subject, row.provider_session, vouched_at)


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
