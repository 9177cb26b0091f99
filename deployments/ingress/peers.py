"""What the other regions see, asked of them in the background, and which of them are down.

Nothing waits for it: a region that hears nothing decides on what it sees itself.
"""

import asyncio
import contextlib
import json
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import httpx2

from routing.clock import Clock
from routing.errors import SupportMaxError
from routing.region import RegionFigures

_log = logging.getLogger(__name__)

PULL_EVERY_S = 5.0
"""Each replica asks each peer: at ten replicas two small requests a second."""

JITTER = 0.5
"""Of the pause, either way, so that replicas started together do not ask together."""

PULL_TIMEOUT_S = 4.0
"""Under the pause, so that a peer is asked once at a time."""

MAX_FIGURES_BYTES = 2 * 1024 * 1024
"""500 targets are 1.5 MB when each has every bucket of a support answer's latencies; usual are 20 kB."""

DOWN_AFTER_S = 15.0
"""Three pulls without an answer: a region that restarts in less is not down."""


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """Where a region answers, and the key it gave us; never printed."""

    url: str
    key: str = field(repr=False)


class _Unanswered(Exception):
    """Nobody is there, or it is ill: this, for long enough, is being down."""


class Peers:
    """Pulls the figures of each peer; `hear` takes them."""

    def __init__(
        self,
        addresses: Mapping[str, PeerAddress],
        hear: Callable[[RegionFigures], Awaitable[None]],
        path: str,
        clock: Clock,
        chance: random.Random,
    ) -> None:
        self._addresses = addresses
        self._hear = hear
        self._path = path
        self._clock = clock
        self._chance = chance
        self._silent_since: dict[str, float] = {}
        self._loops: list[asyncio.Task[None]] = []

    def is_down(self, region: str) -> bool:
        """Whether a peer has not answered for `DOWN_AFTER_S`; one that refuses us is not down."""
        since = self._silent_since.get(region)
        return since is not None and self._clock.monotonic() - since >= DOWN_AFTER_S

    def start(self) -> None:
        """Begin to ask, each peer by itself: one that hangs holds up no other."""
        loop = asyncio.get_running_loop()
        self._loops = [loop.create_task(self._always(region)) for region in self._addresses]

    async def aclose(self) -> None:
        """Stop asking."""
        for task in self._loops:
            task.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)

    async def pull(self, region: str) -> None:
        """Ask one peer once; what goes wrong is logged."""
        try:
            figures = await self._figures(region)
            self._silent_since.pop(region, None)
            await self._hear(figures)
        except _Unanswered as error:
            self._silent_since.setdefault(region, self._clock.monotonic())
            _log.warning("the region %s does not answer: %s", region, error)
        except (ValueError, SupportMaxError) as error:
            # It answered, so it is not down; what it said cannot be used.
            self._silent_since.pop(region, None)
            _log.warning("the figures of the region %s are not taken: %s", region, error)

    async def _always(self, region: str) -> None:
        while True:
            with contextlib.suppress(Exception):  # asking goes on whatever happened
                await self.pull(region)
            # Peers say nothing unasked.
            await asyncio.sleep(PULL_EVERY_S * self._chance.uniform(1 - JITTER, 1 + JITTER))

    async def _figures(self, region: str) -> RegionFigures:
        address = self._addresses[region]
        headers = {"Authorization": f"Bearer {address.key}"}
        body = bytearray()
        try:
            async with (
                asyncio.timeout(PULL_TIMEOUT_S),
                httpx2.AsyncClient(headers=headers, trust_env=False) as client,
                client.stream("GET", address.url + self._path) as answer,
            ):
                if answer.status_code >= 500:
                    raise _Unanswered(f"status {answer.status_code}")
                if answer.status_code != 200:
                    raise ValueError(f"it refuses us with {answer.status_code}")
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > MAX_FIGURES_BYTES:
                        raise ValueError(f"they are larger than {MAX_FIGURES_BYTES} bytes")
        except (httpx2.HTTPError, TimeoutError) as error:
            raise _Unanswered(type(error).__name__) from error
        figures = RegionFigures.from_json(json.loads(body))
        if figures.region != region:
            raise ValueError(f"they are those of {figures.region[:32]!r}")
        return figures
