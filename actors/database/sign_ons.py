"""Which sign-ons came to their end: each does so once, in whichever replica."""

from sqlalchemy import Connection, delete, select

from actors.database.engine import Database
from actors.database.identity_tables import finished_sign_on
from actors.database.upsert import insert_into


class SignOns:
    """Remembers the attempts that somebody was let in by, until they would be too old anyway.

    An attempt that nobody finished is in its browser's cookie alone, so nothing here grows by what
    strangers begin.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def is_finished(self, state_hash: str) -> bool:
        """Whether somebody was let in by that attempt already."""
        statement = select(finished_sign_on.c.expires_at).where(
            finished_sign_on.c.state_hash == state_hash
        )
        row = await self._database.read(lambda connection: connection.execute(statement).first())
        return row is not None

    async def finish(self, state_hash: str, expires_at: float, now: float) -> bool:
        """Use an attempt up; False if it was before."""

        def work(connection: Connection) -> bool:
            old = delete(finished_sign_on).where(finished_sign_on.c.expires_at <= now)
            connection.execute(old).close()
            used = (
                insert_into(finished_sign_on, connection.dialect.name)
                .values(state_hash=state_hash, expires_at=expires_at)
                .on_conflict_do_nothing()
            )
            return connection.execute(used).rowcount > 0

        return await self._database.write(work)
