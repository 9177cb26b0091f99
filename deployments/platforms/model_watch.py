"""What a platform offers, asked in the background of its replica and kept.

Never on a request's path: whoever wants to know is told what was heard last.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace

from deployments.platforms.models import ListedModel, Offer
from routing.clock import Clock
from routing.errors import PlatformError

_log = logging.getLogger(__name__)

# Vendors announce months ahead; four times a day is soon enough, and nobody's limit feels it.
ASK_EVERY_S = 6 * 3600.0
# After a failure: soon, and then ever later, because a wrong key stays wrong until somebody acts.
RETRY_S = 30.0
RETRY_MAX_S = 3600.0
# An adapter bounds the list itself; this is for the credential that it fetches before.
GIVE_UP_S = 45.0


class ModelWatch:
    """The offer of the platform `name`, as this replica heard it; `models` asks its vendor."""

    def __init__(
        self, name: str, models: Callable[[], Awaitable[tuple[ListedModel, ...]]], clock: Clock
    ) -> None:
        self._name = name
        self._models = models
        self._clock = clock
        self._offer = Offer()
        self._asked = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to ask."""
        self._loop = asyncio.get_running_loop().create_task(self._run())

    async def offer(self) -> Offer:
        """What was heard last; before anything was, waits for the first question's end."""
        await self._asked.wait()
        return self._offer

    async def aclose(self) -> None:
        """Stop asking."""
        if self._loop is not None:
            self._loop.cancel()
            await asyncio.gather(self._loop, return_exceptions=True)

    async def _run(self) -> None:
        retry_s = RETRY_S
        while True:
            self._offer = await self._ask()
            self._asked.set()
            if self._offer.unknown_since is None:
                wait_s, retry_s = ASK_EVERY_S, RETRY_S
            else:
                wait_s, retry_s = retry_s, min(2 * retry_s, RETRY_MAX_S)
            await asyncio.sleep(wait_s)  # no event says that a vendor's list has changed

    async def _ask(self) -> Offer:
        try:
            async with asyncio.timeout(GIVE_UP_S):
                models = await self._models()
        except PlatformError as error:
            return self._unknown(f"{error.kind.value}: {error.detail}")
        except TimeoutError:
            return self._unknown(f"timeout: no answer within {GIVE_UP_S:g} s")
        except Exception:  # noqa: BLE001  an adapter's bug must not end the asking
            _log.exception("the adapter of %s failed to list models", self._name)
            return self._unknown("bad_reply: our adapter failed")
        return Offer(_in_order(models), self._clock.now())

    def _unknown(self, detail: str) -> Offer:
        """The last offer, and since when it cannot be confirmed."""
        _log.warning("%s does not say which models it offers (%s)", self._name, detail)
        since = self._offer.unknown_since
        since = self._clock.now() if since is None else since
        return replace(self._offer, unknown_since=since, detail=detail)


def _in_order(models: tuple[ListedModel, ...]) -> tuple[ListedModel, ...]:
    return tuple(sorted(models, key=lambda model: model.id))
