"""A span of time as people write it: from a date or moment to another, in UTC unless they say."""

from dataclasses import dataclass
from datetime import UTC, datetime

from routing.errors import RequestError, Violation

DAYS = 30
"""Of a period whose beginning is not said: a month of the bills it will be held against."""

_DAY_S = 86_400.0
# The end of the year 9999, after which no date can be written.
_LAST_S = 253_402_300_799.0
_EXAMPLE = "write a date like 2026-11-01, or a moment like 2026-11-01T12:00:00Z"


@dataclass(frozen=True, slots=True)
class Period:
    """[since, until) in seconds since the epoch."""

    since: float
    until: float


def parse_period(since: str | None, until: str | None, now: float) -> Period:
    """The period that was asked for; without an end up to `now`, without a beginning 30 days long.

    Raises:
        RequestError: `period_invalid`: one of them is no date, or the end is not after the beginning.
    """
    violations: list[Violation] = []
    end = _seconds("/until", until, now, violations)
    begin = _seconds("/since", since, max(end - DAYS * _DAY_S, 0.0), violations)
    if not violations and begin >= end:
        violations.append(Violation("/until", "the end has to be after the beginning"))
    if violations:
        said = "; ".join(f"{v.where.removeprefix('/')}: {v.message}" for v in violations)
        raise RequestError(
            "period_invalid", f"The period cannot be read: {said}", tuple(violations)
        )
    return Period(begin, end)


def _seconds(where: str, text: str | None, default: float, violations: list[Violation]) -> float:
    if text is None:
        return default
    try:
        # A plus sign in a URL is a space unless it is escaped, and it mostly is not. The first
        # space may stand before the time of day.
        moment = datetime.fromisoformat(text[:11] + text[11:].replace(" ", "+"))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = moment.timestamp()
    except (ValueError, OverflowError):
        violations.append(Violation(where, f"{text[:40]!r} is no date; {_EXAMPLE}"))
        return default
    if not 0 <= seconds <= _LAST_S:
        violations.append(Violation(where, "write a year from 1970 to 9999"))
        return default
    return seconds
