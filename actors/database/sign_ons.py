"""Sign-ons under way: what must be the same when a browser comes back from its identity provider."""

from dataclasses import dataclass, field

from sqlalchemy import Connection, delete, func, insert, select

from actors.database.engine import Database
from actors.database.errors import DatabaseBusy
from actors.database.identity_tables import sign_on

# Anybody may begin one; each is 400 bytes and gone after ten minutes.
UNDER_WAY_MAX = 100_000


@dataclass(frozen=True, slots=True)
class SignOnRow:
    """One attempt. The hashes are of the state that travels and of the browser it belongs to."""

    state_hash: str
    browser_hash: str
    provider: str
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    next: str
    expires_at: float


class SignOns:
    """Keeps attempts, and gives each back once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, row: SignOnRow, now: float) -> None:
        """Keep an attempt; raises DatabaseBusy where somebody begins them by the thousand."""

        def work(connection: Connection) -> bool:
            connection.execute(delete(sign_on).where(sign_on.c.expires_at <= now)).close()
            if (connection.execute(_COUNT).scalar() or 0) >= UNDER_WAY_MAX:
                return False
            connection.execute(
                insert(sign_on).values(
                    state_hash=row.state_hash,
                    browser_hash=row.browser_hash,
                    provider=row.provider,
                    nonce=row.nonce,
                    verifier=row.verifier,
                    next=row.next,
                    expires_at=row.expires_at,
                )
            ).close()
            return True

        if not await self._database.write(work):
            raise DatabaseBusy(f"{UNDER_WAY_MAX} sign-ons are under way already")

    async def take(self, state_hash: str, now: float) -> SignOnRow | None:
        """The attempt of that state, the first time it is asked for and while it lasts."""
        statement = delete(sign_on).where(sign_on.c.state_hash == state_hash).returning(sign_on)
        row = await self._database.write(lambda connection: connection.execute(statement).first())
        if row is None or now >= row.expires_at:
            return None
        return SignOnRow(
            row.state_hash,
            row.browser_hash,
            row.provider,
            row.nonce,
            row.verifier,
            row.next,
            row.expires_at,
        )


_COUNT = select(func.count()).select_from(sign_on)
