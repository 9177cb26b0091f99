"""Keeps a replica's part of the limits up to date, beside all requests."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping

from actors.shares import ANSWER_S, HELD_S, ShareStore, ShareUnavailable
from deployments.security.shares import Shares

_log = logging.getLogger(__name__)

# A newcomer waits for two of these: others shrink at their next claim.
ASK_EVERY_S = 0.5
# While it waits for its first part nobody is served; a call takes the coordinator 0.1 ms.
FIRST_EVERY_S = 0.1
# What a coordinator takes that begins anew, and then the lease of everything lent before, three times.
START_S = 60.0


class OwnShare:
    """Asks in the background. `over` are the requests of tenants that are under way beyond the part."""

    def __init__(
        self, store: ShareStore, shares: Shares, over: Callable[[], Mapping[str, int]]
    ) -> None:
        self._store = store
        self._shares = shares
        self._over = over
        self._asking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Wait for the first part, and go on asking.

        Raises:
            ShareUnavailable: there was none: a replica that nobody reckons with lets nobody in.
        """
        try:
            async with asyncio.timeout(START_S):
                while True:
                    with contextlib.suppress(ShareUnavailable, TimeoutError):
                        await self._ask(HELD_S)
                    if self._shares.share > 0.0:
                        break
                    # Others shrink in their own time, and tell the coordinator only.
                    await asyncio.sleep(FIRST_EVERY_S)
        except TimeoutError:
            raise ShareUnavailable("the coordinator lends no part of the limits") from None
        self._asking = asyncio.create_task(self._run())

    async def aclose(self) -> None:
        """Give the part back."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
        with contextlib.suppress(ShareUnavailable, TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                await self._store.claim(self._shares.last())

    async def _run(self) -> None:
        while True:
            # The bound on claims; that another replica came or went is told by no event.
            await asyncio.sleep(ASK_EVERY_S)
            before, had_lapsed = self._shares.share, self._shares.has_lapsed
            try:
                await self._ask(ANSWER_S)
            except (ShareUnavailable, TimeoutError):
                if self._shares.has_lapsed and not had_lapsed:
                    _log.warning("the coordinator is silent: %s", self._told())
            except Exception:  # noqa: BLE001  the next claim may fare better
                _log.exception("a part of the limits could not be claimed")
            else:
                if abs(self._shares.share - before) > 0.001:
                    _log.info("without a common count %s", self._told())

    async def _ask(self, within_s: float) -> None:
        claim = self._shares.ask(self._over())
        async with asyncio.timeout(within_s):
            grant = await self._store.claim(claim)
        self._shares.hear(claim.seq, grant)

    def _told(self) -> str:
        return f"this replica keeps {self._shares.share:.3g} of every limit"
