"""Regular work that one process at a time does; of one that died another takes it over.

A duty is held until a moment named in advance, and renewed while the work goes on.
"""

from functools import cache

from sqlalchemy import Connection, update

from actors.database.engine import Database
from actors.database.upsert import Insert, insert_into
from actors.database.user_data_tables import duty


class Duties:
    """One process's view of what is whose turn; `holder` is a name no other process has."""

    def __init__(self, database: Database, holder: str) -> None:
        self._database = database
        self._holder = holder

    async def take(self, name: str, now: float, lease_s: float) -> bool:
        """Whether the work is due and now this process's, for `lease_s`."""
        row = {"name": name, "holder": self._holder, "until": now + lease_s, "next_at": 0.0}

        def work(connection: Connection) -> bool:
            if connection.execute(_first(connection.dialect.name), row).rowcount:
                return True
            free = (duty.c.name == name) & (duty.c.until <= now) & (duty.c.next_at <= now)
            values = {"holder": self._holder, "until": now + lease_s}
            return connection.execute(update(duty).where(free).values(values)).rowcount > 0

        return await self._database.write(work)

    async def renew(self, name: str, now: float, lease_s: float) -> bool:
        """Go on for `lease_s`; False where another has taken over, and this one must stop."""
        mine = (duty.c.name == name) & (duty.c.holder == self._holder)
        held = update(duty).where(mine, duty.c.until > 0).values(until=now + lease_s)
        return await self._database.write(lambda connection: connection.execute(held).rowcount > 0)

    async def done(self, name: str, next_at: float) -> None:
        """Give it back; it is due again at `next_at`."""
        mine = (duty.c.name == name) & (duty.c.holder == self._holder)
        ended = update(duty).where(mine).values(until=0.0, next_at=next_at)
        await self._database.write(lambda connection: connection.execute(ended).close())


@cache
def _first(dialect: str) -> Insert:
    return insert_into(duty, dialect).on_conflict_do_nothing()
