"""A platform whose connection is changed while it answers: the new one takes what comes, the old one ends what it has."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field

from deployments.platforms.base import Platform
from deployments.platforms.models import ListedModel
from deployments.platforms.settings_watch import NotYet
from routing.exchange import ChatChunk, ChatReply, ChatRequest

GENERATIONS_MAX = 16
"""Connections kept at once, each with a pool of its own: more changes than that in a few minutes wait."""


class TooManyGenerations(NotYet):
    """The last changes are still being carried out; this one is taken when one of them has ended."""


@dataclass(slots=True, eq=False)
class _Generation:
    platform: Platform
    models: frozenset[str]
    in_flight: int = 0
    is_closed: bool = False
    idle: asyncio.Event = field(default_factory=asyncio.Event)


class Generations:
    """A `Platform`. A model that only an old connection knows goes there as long as plans may have it."""

    def __init__(self, platform: Platform, models: frozenset[str], plan_s: float) -> None:
        """`models` are those it is configured with; a plan is carried out within `plan_s` seconds."""
        self._kept = [_Generation(platform, models)]
        self._plan_s = plan_s
        self._ending: set[asyncio.Task[None]] = set()

    def change(self, platform: Platform, models: frozenset[str]) -> None:
        """Let `platform` take what comes from now on.

        Raises:
            TooManyGenerations: nothing has changed.
        """
        if len(self._kept) >= GENERATIONS_MAX:
            raise TooManyGenerations(f"{GENERATIONS_MAX} connections are still being used")
        old = self._kept[-1]
        self._kept.append(_Generation(platform, models))
        task = asyncio.get_running_loop().create_task(self._end(old))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def rename(self, models: frozenset[str]) -> None:
        """The newest connection is configured with other models, and reaches them as it is."""
        self._kept[-1].models = models

    async def complete(self, request: ChatRequest, deadline_s: float) -> ChatReply:
        """The whole answer."""
        with self._used(request) as platform:
            return await platform.complete(request, deadline_s)

    async def stream(
        self, request: ChatRequest, deadline_s: float
    ) -> AsyncGenerator[ChatChunk, None]:
        """Text as it comes, by one connection to its end."""
        with self._used(request) as platform:
            async with contextlib.aclosing(platform.stream(request, deadline_s)) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def models(self) -> tuple[ListedModel, ...]:
        """What the newest connection hears."""
        return await self._kept[-1].platform.models()

    async def aclose(self) -> None:
        """Give all connections back."""
        for task in tuple(self._ending):
            task.cancel()
        await asyncio.gather(*self._ending, return_exceptions=True)
        for generation in tuple(self._kept):
            await self._close(generation)

    @contextlib.contextmanager
    def _used(self, request: ChatRequest) -> Iterator[Platform]:
        generation = self._knowing(request.model)
        generation.in_flight += 1
        generation.idle.clear()
        try:
            yield generation.platform
        finally:
            generation.in_flight -= 1
            if not generation.in_flight:
                generation.idle.set()

    def _knowing(self, model: str) -> _Generation:
        known = (each for each in reversed(self._kept) if model in each.models)
        return next(known, self._kept[-1])

    async def _end(self, generation: _Generation) -> None:
        # A plan that was made before the change may come as late as this.
        await asyncio.sleep(self._plan_s)
        # Out of reach now, so what it has is the last; each answer has its own deadline.
        self._kept.remove(generation)
        if generation.in_flight:
            await generation.idle.wait()
        await self._close(generation)

    async def _close(self, generation: _Generation) -> None:
        if not generation.is_closed:
            generation.is_closed = True
            await generation.platform.aclose()
