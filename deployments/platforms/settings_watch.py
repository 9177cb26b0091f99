"""Takes every new version of the platforms' settings in one process, and says that it has.

It asks the database, where versions are written: whoever starts anew finds the newest there, and
nobody has to know who is alive.
"""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from actors.database.errors import DatabaseBusy, DatabaseUnavailable
from actors.database.platform_settings import PlatformSettingsStore, SettingsVersion, Taken
from routing.clock import Clock
from routing.errors import ConfigError

_log = logging.getLogger(__name__)

# A read of one row (0.2 ms) four times a second: with the wait below a change is everywhere within
# a second, and two are promised.
ASK_EVERY_S = 0.25
# Who goes ahead has this long; a process that died is not waited for longer.
AHEAD_S = 1.0
# A third of the time after which a silent process counts as gone.
SAY_EVERY_S = 10.0
# Its end waits for the database no longer than this.
LEAVE_S = 1.0

PLATFORM, INGRESS = "platform", "ingress"


BEFORE_ANY = SettingsVersion(0, None, None, {}, (), "", "", "", 0.0)
"""What the files say, and nothing else."""


class Versions(Protocol):
    """Where versions are kept: `PlatformSettingsStore`, seen from here."""

    async def number(self) -> int:
        """The newest."""
        ...

    async def get(self, version: int) -> SettingsVersion | None:
        """One of them."""
        ...

    async def take(self, taken: Taken, now: float) -> None:
        """Say what a process works with."""
        ...

    async def taken(self, now: float) -> Sequence[Taken]:
        """What processes said."""
        ...

    async def leave(self, process: str) -> None:
        """A process ends."""
        ...


class NotYet(Exception):
    """A process cannot take a version just now; the words say what it waits for."""


Take = Callable[[SettingsVersion], Awaitable[str]]
"""Works with a version from now on; what it says keeps something of it from being so."""


class SettingsWatch:
    """One process's watch. A process of `role` ingress lets those of platforms go ahead.

    So a model is asked for only where it is known already how to reach it.
    """

    def __init__(self, store: Versions, role: str, take: Take, clock: Clock) -> None:
        self._store = store
        self._role = role
        self._take = take
        self._clock = clock
        self._process = f"{role}-{uuid.uuid4().hex}"
        self._version = 0
        self._detail = ""
        self._seen: tuple[int, float] = (0, 0.0)
        self._said_at: float | None = None
        self._is_away = False
        self._loop: asyncio.Task[None] | None = None

    @property
    def version(self) -> int:
        """What this process works with."""
        return self._version

    def start(self, version: int, detail: str = "") -> None:
        """Begin to watch; the process works with `version` already."""
        self._version, self._detail = version, detail
        self._loop = asyncio.get_running_loop().create_task(self._run())

    async def aclose(self) -> None:
        """Stop, and say that this process is not to be waited for."""
        if self._loop is None:
            return
        self._loop.cancel()
        await asyncio.gather(self._loop, return_exceptions=True)
        with contextlib.suppress(DatabaseBusy, DatabaseUnavailable, TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                await self._store.leave(self._process)

    async def _run(self) -> None:
        while True:
            try:
                await self._look()
                self._is_away = False
            except (DatabaseBusy, DatabaseUnavailable) as error:
                if not self._is_away:
                    _log.warning("versions of settings cannot be read (%s); going on", error)
                self._is_away = True
            except Exception:  # noqa: BLE001  what works goes on, and the next version may be better
                _log.exception("a version of the platforms' settings could not be taken")
            await asyncio.sleep(ASK_EVERY_S)  # no event crosses processes

    async def _look(self) -> None:
        newest = await self._store.number()
        if newest > self._version and await self._may_take(newest):
            found = await self._store.get(newest)
            if found is not None:
                await self._change(found)
        said_at = self._said_at
        if said_at is None or self._clock.monotonic() >= said_at + SAY_EVERY_S:
            await self._say()

    async def _change(self, found: SettingsVersion) -> None:
        try:
            self._detail = await self._take(found)
        except (ConfigError, NotYet) as error:
            # What this process has goes on, and it tries again.
            detail = f"not taken: {error}"
            if detail != self._detail:
                _log.error("version %d of the platforms' settings is %s", found.version, detail)
                self._detail = detail
                await self._say()
            return
        self._version = found.version
        _log.warning("version %d of the platforms' settings is in force here", found.version)
        await self._say()

    async def _may_take(self, newest: int) -> bool:
        if self._role == PLATFORM:
            return True
        now = self._clock.monotonic()
        if self._seen[0] != newest:
            self._seen = (newest, now)
        if now >= self._seen[1] + AHEAD_S:
            return True
        taken = await self._store.taken(self._clock.now())
        return all(each.version >= newest for each in taken if each.role.startswith(PLATFORM))

    async def _say(self) -> None:
        self._said_at = self._clock.monotonic()
        taken = Taken(self._process, self._role, self._version, self._detail)
        await self._store.take(taken, self._clock.now())


async def newest_of(store: PlatformSettingsStore) -> SettingsVersion:
    """What a process starts with: the newest version, or the one before any change."""
    found = await store.newest()
    return found or BEFORE_ANY
