"""What every provider out there gets: five seconds a try, three tries, and a pause after they failed."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from actors.sealing.errors import ProviderUnavailable
from actors.sealing.provider import KeyContext, KeyProvider
from routing.clock import Clock

_log = logging.getLogger(__name__)

T = TypeVar("T")

# A key service answers in tens of milliseconds; one that needs longer than this will not.
TRY_S = 5.0
# The first and two more: a throttled call passes at the second, an outage does not end in seconds.
TRIES = 3
# Between tries, doubled each time; jitter keeps replicas from coming back together.
PAUSE_S = 0.2
# All tries together: a caller waits no longer for a key, however slow the provider is.
ALL_S = 8.0
# After they failed nobody asks for this long, so that an outage costs callers no waiting each.
AWAY_S = 2.0
# What is asked at once of one provider: a region that starts has thousands of tenants.
AT_ONCE = 16


class Patient:
    """A provider that is asked again before it is given up, and then left alone for a moment."""

    def __init__(
        self, provider: KeyProvider, clock: Clock, chance: random.Random, try_s: float = TRY_S
    ) -> None:
        self._provider = provider
        self._try_s = try_s
        self._clock = clock
        self._chance = chance
        self._away_until = float("-inf")
        self._places = asyncio.Semaphore(AT_ONCE)

    @property
    def name(self) -> str:
        """The provider's."""
        return self._provider.name

    async def wrap(self, key: bytes, context: KeyContext) -> str:
        """As the provider does."""
        return await self._ask(lambda: self._provider.wrap(key, context))

    async def unwrap(self, wrapped: str, context: KeyContext) -> bytes:
        """As the provider does."""
        return await self._ask(lambda: self._provider.unwrap(wrapped, context))

    async def aclose(self) -> None:
        """Close the provider."""
        await self._provider.aclose()

    async def _ask(self, call: Callable[[], Awaitable[T]]) -> T:
        left_s = self._away_until - self._clock.monotonic()
        if left_s > 0:
            raise ProviderUnavailable(self.name, "it did not answer a moment ago", left_s)
        try:
            async with asyncio.timeout(ALL_S), self._places:
                return await self._tried(call)
        except TimeoutError as error:
            self._away_until = self._clock.monotonic() + AWAY_S
            raise ProviderUnavailable(self.name, f"no answer within {ALL_S:g} s") from error
        except ProviderUnavailable as error:
            self._away_until = self._clock.monotonic() + max(AWAY_S, error.retry_after_s or 0.0)
            raise

    async def _tried(self, call: Callable[[], Awaitable[T]]) -> T:
        for attempt in range(1, TRIES):
            try:
                return await self._once(call)
            except ProviderUnavailable as error:
                _log.warning("%s, try %d of %d: %s", self.name, attempt, TRIES, error.detail)
                pause_s = PAUSE_S * 2 ** (attempt - 1) * self._chance.uniform(0.5, 1.5)
                await asyncio.sleep(max(pause_s, min(error.retry_after_s or 0.0, ALL_S)))
        return await self._once(call)

    async def _once(self, call: Callable[[], Awaitable[T]]) -> T:
        try:
            async with asyncio.timeout(self._try_s):
                return await call()
        except TimeoutError as error:
            said = f"no answer within {self._try_s:g} s"
            raise ProviderUnavailable(self.name, said) from error
