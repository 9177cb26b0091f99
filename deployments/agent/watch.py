"""Listens to one attempt, and ends it when it is silent for too long and another may be asked."""

import asyncio
from collections.abc import AsyncGenerator, Callable

from routing.clock import Clock
from routing.errors import ErrorKind, PlatformError
from routing.exchange import ChatChunk
from routing.plan import PlannedAttempt
from routing.silence import RECHECK_S, SilenceGate


class Watch:
    """Over the silences of one attempt; each wait is timed by itself, never a pause of the reader's.

    `others` says which targets could be asked in its place just now, and is asked only when
    the attempt is late.
    """

    def __init__(
        self,
        planned: PlannedAttempt,
        others: Callable[[], list[str]],
        gate: SilenceGate,
        clock: Clock,
    ) -> None:
        self._planned = planned
        self._others = others
        self._gate = gate
        self._clock = clock
        self._has_spoken = False
        self._is_late = False
        self._since = clock.monotonic()
        self._alarm: asyncio.TimerHandle | None = None

    async def next(self, chunks: AsyncGenerator[ChatChunk, None]) -> ChatChunk | None:
        """The next chunk, None at the end.

        Raises:
            PlatformError: `timeout`: it was silent for too long, and another one may be asked.
        """
        patience = self._planned.patience
        allowed_s = patience.between_s if self._has_spoken else patience.first_s
        self._since, self._is_late = self._clock.monotonic(), False
        if allowed_s is None:
            chunk = await anext(chunks, None)
            self._spoke(chunk)
            return chunk
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as limit:
                self._alarm = loop.call_later(allowed_s, self._late, limit)
                try:
                    chunk = await anext(chunks, None)
                finally:
                    self._alarm.cancel()
        except TimeoutError:
            silent_s = self._clock.monotonic() - self._since
            detail = f"it said nothing for {silent_s:.1f} s, and others can be asked"
            raise PlatformError(self._planned.platform, ErrorKind.TIMEOUT, detail) from None
        self._spoke(chunk)
        return chunk

    @property
    def waited_s(self) -> float:
        """Seconds since the last wait began."""
        return self._clock.monotonic() - self._since

    def _spoke(self, chunk: ChatChunk | None) -> None:
        well_s = self._planned.patience.well_s
        if not self._has_spoken and chunk is not None and well_s is not None:
            target, waited_s = self._planned.target, self.waited_s
            self._gate.spoke(target, self._clock.monotonic(), is_well=waited_s <= well_s)
        self._has_spoken = True

    def _late(self, limit: asyncio.Timeout) -> None:
        """It is silent for longer than it may: leave it now, or look again in a while."""
        now, loop = self._clock.monotonic(), asyncio.get_running_loop()
        if not self._is_late:
            self._is_late = True
            self._gate.late(self._planned.target, now)
        if self._gate.may_leave(self._others(), self._since, now):
            limit.reschedule(loop.time())
        else:
            self._alarm = loop.call_later(RECHECK_S, self._late, limit)
