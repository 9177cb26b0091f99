"""An event loop whose time jumps to the next timer: a day of traffic passes in seconds."""

import asyncio
import math
import selectors

from typing_extensions import override

# By which asyncio looks ahead for timers: that of the monotonic clock.
_RESOLUTION_S = 1e-9


class _Jumping(selectors.SelectSelector):
    """Waits for nothing; the time it would have waited is added to the loop's clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000.0

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise RuntimeError("every task waits for something that nobody will do")
            self.now += timeout
            if timeout == 0 and self.now + _RESOLUTION_S == self.now:
                # Half a year on, what asyncio adds to the time before it looks for due timers is
                # lost in rounding, and the timer of this very moment would never be due.
                self.now = math.nextafter(self.now, math.inf)
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Asyncio's own loop, but for its clock. A deadlock raises at once."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)

    @override
    def time(self) -> float:
        return self._jumping.now


class LoopClock:
    """The running loop's time as a `routing.clock.Clock`; `epoch` is when the loop began to count."""

    def __init__(self, epoch: float = 0.0) -> None:
        self._epoch = epoch

    def monotonic(self) -> float:
        """Seconds of the loop."""
        return asyncio.get_running_loop().time()

    def now(self) -> float:
        """The same, in seconds since 1970."""
        return self._epoch + self.monotonic()
