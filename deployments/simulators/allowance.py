"""What a minute allows: counted down with every request, whole again a minute after the first.

Vendors say it in headers on every answer. It is told here, and not enforced: a 429 is scripted.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Left:
    """What is left by unit, and when all of it is there again."""

    units: Mapping[str, int]
    resets_at: datetime
    resets_in_s: float


@dataclass(slots=True)
class _Minute:
    resets_at: datetime
    used: dict[str, int] = field(default_factory=dict)


class Allowances:
    """The current minute of every platform."""

    def __init__(self) -> None:
        self._minutes: dict[str, _Minute] = {}

    def take(
        self,
        platform: str,
        limits: Mapping[str, int],
        spent: Mapping[str, int],
        now: datetime,
        retry_after_s: float | None = None,
    ) -> Left:
        """Book a request and return what is left: nothing where it is told to come back later."""
        minute = self._minutes.get(platform)
        if minute is None or now >= minute.resets_at:
            minute = self._minutes[platform] = _Minute(now + MINUTE)
        for unit, count in spent.items():
            minute.used[unit] = minute.used.get(unit, 0) + count
        if retry_after_s is not None:
            later = now + timedelta(seconds=retry_after_s)
            return Left(dict.fromkeys(limits, 0), later, retry_after_s)
        left = {unit: max(limit - minute.used.get(unit, 0), 0) for unit, limit in limits.items()}
        return Left(left, minute.resets_at, (minute.resets_at - now).total_seconds())


def spoken_duration(seconds: float) -> str:
    """Seconds as OpenAI writes them: `850ms`, `59.2s`, `1m0s`."""
    if seconds < 1:
        return f"{round(seconds * 1_000)}ms"
    minutes, rest = divmod(round(seconds, 3), 60)
    return f"{minutes:.0f}m{rest:g}s" if minutes else f"{rest:g}s"
