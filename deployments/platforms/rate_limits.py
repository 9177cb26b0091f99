"""What is left of our allowance, from the headers of a vendor's answers.

Read on every answer, so it is a handful of look-ups; what makes no sense is left out,
because no answer is lost for the sake of a figure about it.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias

from routing.clock import Clock
from routing.exchange import RateLimit

Header: TypeAlias = Callable[[str], str | None]
"""The value of one header of an answer, None where it has none."""
ReadLimit: TypeAlias = Callable[[Header], RateLimit | None]

# No vendor's window is longer than a month; what is further away was not meant so.
_FURTHEST_S = 31 * 86_400.0
# Longer figures are no figures: they would cost more to read than they can mean.
_MAX_TEXT = 40
_MAX_DIGITS = 15

_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}  # fmt: skip
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?)(ns|us|µs|ms|s|m|h|d)")


def openai_limit(clock: Clock, header: Header) -> RateLimit | None:
    """OpenAI's and Azure's; None where the answer says nothing of it.

    Either kind is reset after a duration of its own, and the later one counts.
    """
    now = clock.now()
    limit = RateLimit(
        now,
        count_of(header("x-ratelimit-remaining-requests")),
        count_of(header("x-ratelimit-limit-requests")),
        count_of(header("x-ratelimit-remaining-tokens")),
        count_of(header("x-ratelimit-limit-tokens")),
        _later(
            _after(now, header("x-ratelimit-reset-requests")),
            _after(now, header("x-ratelimit-reset-tokens")),
        ),
    )
    return limit if _says_something(limit) else None


def anthropic_limit(clock: Clock, header: Header) -> RateLimit | None:
    """Anthropic's; None where the answer says nothing of it.

    Tokens are the limit in force, which Anthropic names; where it does not, the scarcer of
    input and output tokens. Resets are moments by the vendor's clock, and the later one counts.
    """
    now = clock.now()
    kind = _token_kind(header)
    limit = RateLimit(
        now,
        count_of(header("anthropic-ratelimit-requests-remaining")),
        count_of(header("anthropic-ratelimit-requests-limit")),
        count_of(header(f"anthropic-ratelimit-{kind}-remaining")),
        count_of(header(f"anthropic-ratelimit-{kind}-limit")),
        _later(
            _moment(now, header("anthropic-ratelimit-requests-reset")),
            _moment(now, header(f"anthropic-ratelimit-{kind}-reset")),
        ),
    )
    return limit if _says_something(limit) else None


def count_of(text: str | None) -> int | None:
    """A whole number of requests or tokens; a negative one stands for no limit, and is none."""
    is_count = text is not None and text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS
    return int(text) if text is not None and is_count else None


def seconds_of(text: str | None) -> float | None:
    """A duration such as `6m0s`, `850ms` or `1.5s`; a bare number is seconds, as Azure writes it."""
    if not text or len(text) > _MAX_TEXT:
        return None
    total, end = 0.0, 0
    for part in _PART.finditer(text):
        if part.start() != end:
            return None
        total += float(part[1]) * _UNITS_S[part[2]]
        end = part.end()
    if end == 0:
        count = count_of(text)
        return None if count is None else float(count)
    return total if end == len(text) else None


def _token_kind(header: Header) -> str:
    if header("anthropic-ratelimit-tokens-remaining") is not None:
        return "tokens"
    read = count_of(header("anthropic-ratelimit-input-tokens-remaining"))
    written = count_of(header("anthropic-ratelimit-output-tokens-remaining"))
    if read is None or (written is not None and written < read):
        return "output-tokens"
    return "input-tokens"


def _after(now: float, text: str | None) -> float | None:
    seconds = seconds_of(text)
    return None if seconds is None or seconds > _FURTHEST_S else now + seconds


def _moment(now: float, text: str | None) -> float | None:
    if not text or len(text) > _MAX_TEXT:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    if found.tzinfo is None:  # nobody's clock
        return None
    at = found.timestamp()
    return at if abs(at - now) <= _FURTHEST_S else None


def _later(one: float | None, other: float | None) -> float | None:
    return other if one is None else one if other is None else max(one, other)


def _says_something(limit: RateLimit) -> bool:
    return not (
        limit.remaining_requests is None
        and limit.remaining_tokens is None
        and limit.limit_requests is None
        and limit.limit_tokens is None
    )
