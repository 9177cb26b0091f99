"""The watch of one process: what it does while nothing can be read, or a version cannot be taken."""

import asyncio
from collections.abc import Sequence

from actors.database.errors import DatabaseUnavailable
from actors.database.platform_settings import SettingsVersion, Taken
from deployments.platforms.settings_watch import BEFORE_ANY, PLATFORM, NotYet, SettingsWatch
from routing.clock import SystemClock


class Shelf:
    """Versions in memory, which can be away."""

    def __init__(self) -> None:
        self.newest, self.is_away, self.refused = 0, False, 0
        self.said: list[Taken] = []
        self.left: list[str] = []

    async def number(self) -> int:
        if self.is_away:
            self.refused += 1
            raise DatabaseUnavailable("away")
        return self.newest

    async def get(self, version: int) -> SettingsVersion | None:
        return SettingsVersion(version, None, None, {}, (), "t", "key:1", "req", 0.0)

    async def take(self, taken: Taken, now: float) -> None:
        self.said.append(taken)

    async def taken(self, now: float) -> Sequence[Taken]:
        return self.said

    async def leave(self, process: str) -> None:
        self.left.append(process)

    async def until(self, version: int) -> None:
        async with asyncio.timeout(20):
            while not self.said or self.said[-1].version != version:  # noqa: ASYNC110  a watch asks
                await asyncio.sleep(0.01)


async def test_a_version_that_cannot_be_taken_is_said_and_tried_again() -> None:
    """And while the store is away, the one before goes on."""
    shelf, tries = Shelf(), 0

    async def take(version: SettingsVersion) -> str:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise NotYet("connections are still being used")
        return ""

    watch = SettingsWatch(shelf, PLATFORM, take, SystemClock())
    watch.start(BEFORE_ANY.version)
    await shelf.until(0)
    shelf.newest = 1
    await shelf.until(1)
    assert "not taken: connections are still being used" in [taken.detail for taken in shelf.said]
    assert (shelf.said[-1].detail, watch.version) == ("", 1)
    shelf.is_away = True
    shelf.newest = 2
    async with asyncio.timeout(20):
        while shelf.refused < 2:  # noqa: ASYNC110  a watch asks
            await asyncio.sleep(0.01)
    assert watch.version == 1
    shelf.is_away = False
    await shelf.until(2)
    await watch.aclose()
    assert shelf.left == [shelf.said[-1].process]
