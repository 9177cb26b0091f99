"""Sessions of people who signed on: found by the hash of a secret that only their browser has."""

from dataclasses import dataclass, field

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from actors.database.engine import Database
from actors.database.identity_tables import logout_token, session
from actors.database.upsert import insert_into

# Ended and expired sessions are kept this long, for whoever asks what happened.
_KEPT_S = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One session. `provider_session` is the provider's name of it, if it gave one."""

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


class SessionStore:
    """Keeps sessions, and ends them one by one or all of somebody's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, row: SessionRow) -> None:
        """Keep a session that was just opened."""

        def work(connection: Connection) -> None:
            old = row.created_at - _KEPT_S
            connection.execute(delete(session).where(session.c.expires_at < old)).close()
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
                )
            ).close()

        await self._database.write(work)

    async def find(self, id_hash: str) -> SessionRow | None:
        """The session of that hash, over or not: whoever has its secret says by it whose he is."""
        asked = {"named": id_hash}
        row = await self._database.read(
            lambda connection: connection.execute(_BY_ID, asked).first()
        )
        return None if row is None else _row_of(row)

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
        return await self._end(tenant, now, id_hash=id_hash) > 0

    async def end_of_provider(
        self, tenant: str, provider: str, provider_session: str, now: float
    ) -> int:
        """End what a provider calls one session, in however many browsers; how many ended."""
        return await self._end(tenant, now, provider=provider, provider_session=provider_session)

    async def end_of_subject(self, tenant: str, subject: str, now: float) -> int:
        """End every session of somebody; how many ended."""
        return await self._end(tenant, now, subject=subject)

    async def use_logout_token(
        self, provider: str, token_id: str, now: float, expires_at: float
    ) -> bool:
        """Whether this is the first time that a provider's logout token is shown."""

        def work(connection: Connection) -> bool:
            connection.execute(delete(logout_token).where(logout_token.c.expires_at < now)).close()
            statement = (
                insert_into(logout_token, connection.dialect.name)
                .values(provider=provider, token_id=token_id, expires_at=expires_at)
                .on_conflict_do_nothing()
            )
            return connection.execute(statement).rowcount > 0

        return await self._database.write(work)

    async def _end(self, tenant: str, now: float, **which: str) -> int:
        statement = (
            update(session)
            .where(session.c.tenant == tenant, session.c.ended_at.is_(None))
            .where(*(session.c[name] == value for name, value in which.items()))
            .values(ended_at=now, sealed_id_token=None)
        )
        return await self._database.write(lambda connection: connection.execute(statement).rowcount)


_BY_ID = select(session).where(session.c.id_hash == bindparam("named"))


def _row_of(row: Row[*tuple[object, ...]]) -> SessionRow:
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
    )
