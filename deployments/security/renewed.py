"""A document somebody else may change: kept, read again in time, and used a while longer when they are away."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from deployments.security.errors import IdentityProviderUnavailable
from routing.clock import Clock

_log = logging.getLogger(__name__)

T = TypeVar("T")

# A withdrawn key is believed this long at the most, when the server does not say otherwise.
LIFE_S = 600.0
LIFE_MIN_S = 60.0
LIFE_MAX_S = 3600.0
# Tokens with invented names of keys cause one reading in so many seconds, however many come.
PAUSE_S = 10.0
# A provider that is down gives out no tokens, and those it gave live an hour, rarely a day.
STALE_S = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """What was read, and for how long its server says it holds."""

    value: T
    life_s: float | None = None


class Renewed(Generic[T]):
    """One such document. All who need it wait for the same reading."""

    def __init__(
        self, provider: str, read: Callable[[], Awaitable[Reading[T]]], clock: Clock
    ) -> None:
        self._provider = provider
        self._read = read
        self._clock = clock
        self._kept: T | None = None
        self._read_at = 0.0
        self._life_s = 0.0
        self._tried_at = float("-inf")
        self._failed = False
        self._flight: asyncio.Task[None] | None = None

    def fresh(self) -> T | None:
        """The document if it need not be read again, without waiting."""
        if self._kept is not None and self._age() < self._life_s:
            return self._kept
        return None

    async def get(self) -> T:
        """The document, read again if it is due.

        Raises:
            IdentityProviderUnavailable: it could not be read, and is missing or too old.
        """
        if (kept := self.fresh()) is not None:
            return kept
        flight = self._begin()
        # While the provider is away nobody waits for it: the last reading failed, the next runs aside.
        if flight is not None and not (self._failed and self._usable() is not None):
            await asyncio.shield(flight)
        if (kept := self._usable()) is not None:
            return kept
        raise IdentityProviderUnavailable(
            self._provider, f"{self._provider} cannot be read just now"
        )

    async def again(self) -> T:
        """The document read anew, because something is said to be in it that was not.

        Raises:
            IdentityProviderUnavailable: as `get`.
        """
        if (flight := self._begin()) is not None:
            await asyncio.shield(flight)
        return await self.get()

    async def aclose(self) -> None:
        """Stop reading."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.gather(self._flight, return_exceptions=True)

    def _age(self) -> float:
        return self._clock.monotonic() - self._read_at

    def _usable(self) -> T | None:
        return self._kept if self._kept is not None and self._age() < STALE_S else None

    def _begin(self) -> asyncio.Task[None] | None:
        """The reading under way, begun now unless one was begun a moment ago."""
        if self._flight is not None and not self._flight.done():
            return self._flight
        now = self._clock.monotonic()
        if now - self._tried_at < PAUSE_S:
            return None
        self._tried_at = now
        self._flight = asyncio.create_task(self._fly())
        return self._flight

    async def _fly(self) -> None:
        begun = self._clock.monotonic()
        try:
            reading = await self._read()
        except Exception as error:  # noqa: BLE001  whatever it is, the document was not read
            self._failed = True
            _log.warning("%s cannot be read: %s", self._provider, type(error).__name__)
            return
        life_s = LIFE_S if reading.life_s is None else reading.life_s
        self._kept, self._read_at, self._failed = reading.value, begun, False
        self._life_s = min(max(life_s, LIFE_MIN_S), LIFE_MAX_S)
