"""An event loop whose time jumps to the next timer: deadlines are tested to the millisecond at once."""

import asyncio
import selectors

from typing_extensions import override


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
    """The running loop's time as a `routing.clock.Clock`."""

    def monotonic(self) -> float:
        """Seconds of the loop."""
        return asyncio.get_running_loop().time()

    def now(self) -> float:
        """The same, as if the loop had begun at the epoch."""
        return self.monotonic()
