"""Versions of the platforms' settings, and which process has taken which."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select

from actors.database.administration_tables import platform_settings, settings_taken
from actors.database.engine import Database
from actors.database.upsert import Insert, insert_into
from routing.message import Json, JsonObject

# A change an hour for six weeks; what is older cannot come back, and is in the audit log.
VERSIONS_KEPT = 1000
# A process says every few seconds that it is there; who is silent for this long has gone.
GONE_S = 30.0


@dataclass(frozen=True, slots=True)
class SettingsVersion:
    """What holds from one change to the next.

    `changes` are all that hold, by platform and key; `diff` is what differs from the version before.
    `platform` is the one that was changed, None where `restored` says which version came back.
    """

    version: int
    platform: str | None
    restored: int | None
    changes: Mapping[str, JsonObject]
    diff: tuple[Json, ...]
    tenant: str
    author: str
    request: str
    at: float


@dataclass(frozen=True, slots=True)
class Taken:
    """Which version a process works with; `detail` says what keeps it from a newer one."""

    process: str
    role: str
    version: int
    detail: str


class PlatformSettingsStore:
    """Keeps versions: each is written once, and the next only by who has seen the one before."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def number(self) -> int:
        """The newest version; 0 where nothing was ever changed."""
        return await self._database.read(_newest)

    async def get(self, version: int) -> SettingsVersion | None:
        """That version, if it is still kept."""
        asked = {"named": version}
        row = await self._database.read(lambda c: c.execute(_ONE, asked).one_or_none())
        return None if row is None else _version_of(row)

    async def newest(self) -> SettingsVersion | None:
        """The newest, if anything was ever changed."""
        row = await self._database.read(lambda c: c.execute(_LAST).one_or_none())
        return None if row is None else _version_of(row)

    async def history(self, before: int | None, limit: int) -> list[SettingsVersion]:
        """The versions before `before`, the newest first."""
        statement = _ALL if before is None else _ALL.where(platform_settings.c.version < before)
        rows = await self._database.read(lambda c: c.execute(statement.limit(limit)).all())
        return [_version_of(row) for row in rows]

    async def add(self, made: SettingsVersion) -> bool:
        """Write one down; False if somebody else's is there already, and nothing was written."""
        row = {name: getattr(made, name) for name in SettingsVersion.__slots__}
        row |= {"changes": {k: dict(v) for k, v in made.changes.items()}, "diff": list(made.diff)}
        oldest = {"oldest": made.version - VERSIONS_KEPT}

        def work(connection: Connection) -> bool:
            if _newest(connection) != made.version - 1:
                return False
            connection.execute(insert(platform_settings), row)
            connection.execute(_PRUNING, oldest)
            return True

        return await self._database.write(work)

    async def take(self, taken: Taken, now: float) -> None:
        """A process says what it works with; those that went are forgotten."""
        row = {name: getattr(taken, name) for name in Taken.__slots__} | {"seen_at": now}
        gone = {"since": now - GONE_S}

        def work(connection: Connection) -> None:
            connection.execute(_taking(connection.dialect.name), row)
            connection.execute(_FORGETTING, gone)

        await self._database.write(work)

    async def leave(self, process: str) -> None:
        """A process ends."""
        asked = {"named": process}
        await self._database.write(lambda c: c.execute(_LEAVING, asked).close())

    async def taken(self, now: float) -> list[Taken]:
        """What the processes said that are there."""
        asked = {"since": now - GONE_S}
        rows = await self._database.read(lambda c: c.execute(_TAKEN, asked).all())
        return [Taken(row.process, row.role, row.version, row.detail) for row in rows]


_ALL = select(platform_settings).order_by(platform_settings.c.version.desc())
_LAST = _ALL.limit(1)
_ONE = select(platform_settings).where(platform_settings.c.version == bindparam("named"))
_NUMBER = select(func.max(platform_settings.c.version))
_PRUNING = delete(platform_settings).where(platform_settings.c.version <= bindparam("oldest"))
_FORGETTING = delete(settings_taken).where(settings_taken.c.seen_at < bindparam("since"))
_LEAVING = delete(settings_taken).where(settings_taken.c.process == bindparam("named"))
_TAKEN = (
    select(settings_taken)
    .where(settings_taken.c.seen_at >= bindparam("since"))
    .order_by(settings_taken.c.role, settings_taken.c.process)
)


def _newest(connection: Connection) -> int:
    return connection.execute(_NUMBER).scalar() or 0


@cache
def _taking(dialect: str) -> Insert:
    statement = insert_into(settings_taken, dialect)
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=["process"],
        set_={"version": new.version, "detail": new.detail, "seen_at": new.seen_at},
    )


def _version_of(row: Row[*tuple[object, ...]]) -> SettingsVersion:
    values = {name: getattr(row, name) for name in SettingsVersion.__slots__}
    return SettingsVersion(**values | {"diff": tuple(row.diff)})
