"""How often somebody tried a password lately: counted here, so that all replicas count together."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Update, delete, select, update

from actors.database.engine import Database
from actors.database.identity_tables import password_try
from actors.database.upsert import insert_into


@dataclass(frozen=True, slots=True)
class Tally:
    """What is counted under one name: at most `limit` tries, forgotten after `window_s`.

    `since_last`: the time runs anew at each try, as directories count; else from the first on.
    """

    who: str
    limit: int
    window_s: float
    since_last: bool


class PasswordTries:
    """Counts tries before they are made, and takes back those that were none."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self, provider: str, tallies: Sequence[Tally], now: float) -> float | None:
        """Count one try under all of the names, or under none of them.

        Returns:
            None if it may be made; else in how many seconds one may be.
        """

        def work(connection: Connection) -> float | None:
            connection.execute(delete(password_try).where(password_try.c.until <= now)).close()
            names = [tally.who for tally in tallies]
            statement = select(password_try).where(
                password_try.c.provider == provider, password_try.c.who.in_(names)
            )
            kept = {row.who: row for row in connection.execute(statement)}
            full = [
                kept[tally.who].until - now
                for tally in tallies
                if tally.who in kept and kept[tally.who].tries >= tally.limit
            ]
            if full:
                return float(max(full))
            for tally in tallies:
                until = now + tally.window_s
                values = {"provider": provider, "who": tally.who, "tries": 1, "until": until}
                change = {"tries": password_try.c.tries + 1}
                counted = (
                    insert_into(password_try, connection.dialect.name)
                    .values(values)
                    .on_conflict_do_update(
                        index_elements=["provider", "who"],
                        set_={**change, "until": until} if tally.since_last else change,
                    )
                )
                connection.execute(counted).close()
            return None

        return await self._database.write(work)

    async def take_back(self, provider: str, names: Sequence[str]) -> None:
        """One try under each of the names was none: the directory was not there to be asked."""
        fewer = password_try.c.tries - 1

        def work(connection: Connection) -> None:
            for name in names:
                connection.execute(_row(provider, name).values(tries=fewer)).close()
            connection.execute(delete(password_try).where(password_try.c.tries <= 0)).close()

        await self._database.write(work)

    async def forget(self, provider: str, names: Sequence[str]) -> None:
        """The password was right: under these names nothing is counted any more."""
        statement = delete(password_try).where(
            password_try.c.provider == provider, password_try.c.who.in_(names)
        )
        await self._database.write(lambda connection: connection.execute(statement).close())


def _row(provider: str, name: str) -> Update:
    return update(password_try).where(
        password_try.c.provider == provider, password_try.c.who == name
    )
