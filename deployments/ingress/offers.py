"""What every platform offers, as its replicas last said; asked in the background and kept."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Protocol

from deployments.platforms.models import Offer
from routing.clock import Clock
from routing.errors import PlatformError

_log = logging.getLogger(__name__)

# A replica hears news four times a day; ten minutes later they are here.
ASK_EVERY_S = 600.0
# While nothing is known, soon and then ever later: a start is when an operator looks.
RETRY_S = 5.0


class Offering(Protocol):
    """A platform that can be asked for its offer."""

    async def offer(self) -> Offer:
        """What is known of it; raises PlatformError when nobody answers."""
        ...


class Offers:
    """The last offers by platform. `told` hears of each, every `ASK_EVERY_S` at least."""

    def __init__(
        self,
        platforms: Mapping[str, Offering],
        told: Callable[[str, Offer], None],
        clock: Clock,
    ) -> None:
        self._platforms = platforms
        self._told = told
        self._clock = clock
        self._offers: dict[str, Offer] = {}
        self._loops: list[asyncio.Task[None]] = []

    def of(self, platform: str) -> Offer:
        """The last offer of `platform`, an empty one before there was any."""
        return self._offers.get(platform) or Offer()

    def start(self) -> None:
        """Begin to ask, each platform by itself: one that hangs holds up no other."""
        loop = asyncio.get_running_loop()
        self._loops = [
            loop.create_task(self._ask_always(name, platform))
            for name, platform in self._platforms.items()
        ]

    async def aclose(self) -> None:
        """Stop asking."""
        for task in self._loops:
            task.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)

    async def _ask_always(self, name: str, platform: Offering) -> None:
        retry_s = RETRY_S
        while True:
            self._offers[name] = offer = await self._ask(name, platform)
            self._told(name, offer)
            wait_s = ASK_EVERY_S
            if offer.unknown_since is not None:
                wait_s, retry_s = retry_s, min(2 * retry_s, ASK_EVERY_S)
            else:
                retry_s = RETRY_S
            await asyncio.sleep(wait_s)  # replicas say nothing unasked

    async def _ask(self, name: str, platform: Offering) -> Offer:
        try:
            return await platform.offer()
        except PlatformError as error:
            _log.warning("%s does not say what it offers (%s)", name, error.detail)
            return self._unknown(name, f"{error.kind.value}: {error.detail}")
        except Exception:  # noqa: BLE001  asking goes on whatever happened
            _log.exception("asking %s what it offers failed", name)
            return self._unknown(name, "the replica's answer could not be read")

    def _unknown(self, name: str, detail: str) -> Offer:
        last = self.of(name)
        since = self._clock.now() if last.unknown_since is None else last.unknown_since
        return replace(last, unknown_since=since, detail=detail)
