"""What of a caller's time goes by in our own hands: before a platform is asked, and after it answered.

A limit on latency is held against both beside the platform's own time. Each process knows its own.
"""

from routing.conformal import ENOUGH
from routing.window import LatencyWindow

BEFORE_MS = 40.0
AFTER_MS = 15.0
"""Believed until enough was seen: twice what 95 % of the first requests after a start took."""

_SHARE = 0.99
"""Of the last minutes' requests: who is told what would pass must seldom be refused again."""

_REFRESH_S = 1.0
"""How often it is read: reading ten sketches takes as long as a decision."""


class OwnTime:
    """Our own part of the last minutes' answers; times are arguments."""

    def __init__(self) -> None:
        self._before = _Part(BEFORE_MS)
        self._after = _Part(AFTER_MS)

    def asked(self, now: float, took_ms: float) -> None:
        """So long it took until a platform was asked."""
        self._before.add(now, took_ms)

    def handed_over(self, now: float, took_ms: float) -> None:
        """So long it took from a platform's answer until it was kept and handed over."""
        self._after.add(now, took_ms)

    def before_ms(self, now: float, elapsed_ms: float) -> float:
        """What will have gone by when a platform is asked: what usually has, or already did.

        Not what already did alone: whoever is told a limit that would pass asks again, and the next
        time it takes a little longer.
        """
        return max(self._before.usual_ms(now), elapsed_ms)

    def after_ms(self, now: float) -> float:
        """What the answer will take to be kept and handed over."""
        return self._after.usual_ms(now)


class _Part:
    __slots__ = ("_read_at", "_usual_ms", "_window")

    def __init__(self, believed_ms: float) -> None:
        self._window = LatencyWindow()
        self._usual_ms = believed_ms
        self._read_at = 0.0

    def add(self, now: float, took_ms: float) -> None:
        self._window.add(now, max(took_ms, 0.0))

    def usual_ms(self, now: float) -> float:
        """What nearly all took at most; what was last known while too few were seen of late."""
        if abs(now - self._read_at) >= _REFRESH_S:
            self._read_at, seen = now, self._window.sketch(now)
            if seen.count >= ENOUGH:
                self._usual_ms = seen.quantile(_SHARE) or 0.0
        return self._usual_ms
