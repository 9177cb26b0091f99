"""States of the world that decisions were taken on, each kept once under its hash."""

import base64
import zlib
from collections.abc import Iterable, Mapping
from functools import cache

from sqlalchemy import Connection, delete, select

from actors.database.engine import Database
from actors.database.tables import world
from actors.database.upsert import Insert, insert_into

# A scoreboard of 20 targets is some 10 kB of JSON and a tenth of that compressed;
# as text, because the databases have no common word for bytes.
_LEVEL = 6


class Worlds:
    """Keeps what certificates point at. No text of any tenant is in it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(self, parts: Mapping[str, bytes], at: float) -> None:
        """Keep what is not kept yet."""
        rows = [
            {"hash": name, "at": at, "body": base64.b85encode(zlib.compress(body, _LEVEL)).decode()}
            for name, body in parts.items()
        ]

        def work(connection: Connection) -> None:
            connection.execute(_keeping(connection.dialect.name), rows)

        await self._database.write(work)

    async def get(self, names: Iterable[str]) -> dict[str, bytes]:
        """Those of them that are still kept."""
        statement = select(world.c.hash, world.c.body).where(world.c.hash.in_(list(names)))
        rows = await self._database.read(lambda connection: connection.execute(statement).all())
        return {row.hash: zlib.decompress(base64.b85decode(row.body)) for row in rows}

    async def prune(self, keep: int) -> int:
        """Drop all but the newest `keep`; how many went."""
        newest = select(world.c.at).order_by(world.c.at.desc()).offset(keep).limit(1)

        def work(connection: Connection) -> int:
            first_beyond: float | None = connection.execute(newest).scalar()
            if first_beyond is None:
                return 0
            return connection.execute(delete(world).where(world.c.at <= first_beyond)).rowcount

        return await self._database.write(work)


@cache
def _keeping(dialect: str) -> Insert:
    statement = insert_into(world, dialect)
    # Seen again, it is as young as its youngest decision.
    return statement.on_conflict_do_update(
        index_elements=["hash"], set_={"at": statement.excluded.at}
    )
