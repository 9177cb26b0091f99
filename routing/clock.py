"""Time, passed in: nothing below reads a clock of its own."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What a component may ask about time."""

    def monotonic(self) -> float:
        """Seconds that never go backwards; only differences mean something."""
        ...

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC: comparable between processes and restarts."""
        ...


class SystemClock:
    """The machine's clock."""

    def monotonic(self) -> float:
        """Seconds of the machine's monotonic clock."""
        return time.monotonic()

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()  # noqa: TID251  this is the one place that may


class ManualClock:
    """A clock that moves when told to: for tests and for replaying outcomes."""

    def __init__(self, now: float = 1_767_225_600.0) -> None:  # 2026-01-01T00:00:00Z
        self._now = now

    def monotonic(self) -> float:
        """Seconds on this clock."""
        return self._now

    def now(self) -> float:
        """Seconds on this clock."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move forward by `seconds`."""
        self._now += seconds


def rfc3339(seconds: float) -> str:
    """`seconds` since the epoch as RFC 3339 UTC with milliseconds."""
    return (
        datetime.fromtimestamp(seconds, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )
