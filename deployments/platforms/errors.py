"""What a vendor or its network did wrong, in our words: the table from theirs to `ErrorKind`.

Status first, the vendor's code second, its prose last: prose changes without notice.
Knows no SDK, so that one table serves every adapter.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import aiohttp
import httpx2

from deployments.platforms.sse import SseError
from deployments.platforms.transport import AnswerTooLarge, PoolFull
from routing.errors import ErrorKind, PlatformError

MAX_DETAIL = 500  # characters of a vendor's words: enough to understand, short enough to log
_LEAST_TO_HIDE = 6  # characters; a shorter credential is a test's, and would blank out words

_BY_STATUS = {
    401: ErrorKind.CREDENTIALS,
    402: ErrorKind.QUOTA_EXHAUSTED,
    403: ErrorKind.PERMISSION,
    404: ErrorKind.MODEL_GONE,
    408: ErrorKind.TIMEOUT,
    413: ErrorKind.CONTEXT_TOO_LONG,
    504: ErrorKind.TIMEOUT,
}

# A 4xx with the words of a 5xx is believed in its number: proxies rewrite bodies.
_THEIR_FAULT = frozenset({ErrorKind.OVERLOADED, ErrorKind.TIMEOUT})

# Only where neither status nor code decides. Anthropic says most of these without a code.
_BY_PROSE = (
    (r"prompt is too long|context (length|window)|too many tokens", ErrorKind.CONTEXT_TOO_LONG),
    (r"token count\b.{0,20}\bexceeds", ErrorKind.CONTEXT_TOO_LONG),
    (r"credit balance|current quota|billing", ErrorKind.QUOTA_EXHAUSTED),
    (r"content (filter|management policy)", ErrorKind.CONTENT_FILTERED),
)

# Most specific first: aiohttp's timeouts are connection errors too, and an OSError may be one.
_BY_EXCEPTION: tuple[tuple[tuple[type[Exception], ...], ErrorKind], ...] = (
    ((PoolFull, httpx2.PoolTimeout), ErrorKind.SATURATED),
    # Nothing was sent, so this is not a slow answer: another attempt costs nothing.
    ((aiohttp.ConnectionTimeoutError, httpx2.ConnectTimeout), ErrorKind.CONNECTION),
    ((TimeoutError, httpx2.TimeoutException), ErrorKind.TIMEOUT),
    ((AnswerTooLarge, SseError, json.JSONDecodeError), ErrorKind.BAD_REPLY),
    ((aiohttp.ContentTypeError, aiohttp.ClientResponseError), ErrorKind.BAD_REPLY),
    ((httpx2.DecodingError, UnicodeDecodeError), ErrorKind.BAD_REPLY),
    ((aiohttp.ClientError, httpx2.HTTPError, OSError), ErrorKind.CONNECTION),
)

FAULTS = tuple(one for types, _ in _BY_EXCEPTION for one in types)


@dataclass(frozen=True, slots=True)
class Complaint:
    """What a vendor said: its codes, the most specific first, and its prose."""

    codes: tuple[str, ...]
    message: str

    @property
    def detail(self) -> str:
        """Both, on one line."""
        return ": ".join(part for part in (*self.codes[:1], self.message) if part)


def vendor_error(
    platform: str,
    complaint: Complaint,
    words: Mapping[str, ErrorKind],
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> PlatformError:
    """The error a vendor's complaint comes to; `status` is None when it came inside a stream."""
    return PlatformError(
        platform,
        classify(complaint, words, status),
        complaint.detail[:MAX_DETAIL],
        retry_after(headers or {}),
        status,
    )


def classify(
    complaint: Complaint, words: Mapping[str, ErrorKind], status: int | None = None
) -> ErrorKind:
    """The kind of a complaint; `words` is the vendor's own vocabulary of codes."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    blames_us = status is not None and 400 <= status < 500
    for code in complaint.codes:
        kind = words.get(code)
        if kind is None and code.endswith(("_policy", "_policy_violation")):
            kind = ErrorKind.CONTENT_FILTERED
        if kind is not None and not (blames_us and kind in _THEIR_FAULT):
            return kind
    if status is None or blames_us:
        for pattern, kind in _BY_PROSE:
            if re.search(pattern, complaint.message, re.IGNORECASE):
                return kind
    return _by_class(status)


def _by_class(status: int | None) -> ErrorKind:
    match status:
        case 429:
            return ErrorKind.RATE_LIMITED
        case int() if status >= 500:
            return ErrorKind.OVERLOADED
        case int() if status >= 400:
            return ErrorKind.INVALID_REQUEST
        case _:
            return ErrorKind.BAD_REPLY


def local_error(platform: str, error: BaseException) -> PlatformError:
    """The error that an exception of the network or of a parser, one of `FAULTS`, comes to."""
    kind = next(kind for types, kind in _BY_EXCEPTION if isinstance(error, types))
    said = f"{type(error).__name__}: {error}".removesuffix(": ")
    return PlatformError(platform, kind, said[:MAX_DETAIL])


def bad_reply(platform: str, detail: str) -> PlatformError:
    """The answer is not what this vendor's documentation says it is."""
    return PlatformError(platform, ErrorKind.BAD_REPLY, detail[:MAX_DETAIL])


def without(secret: str, error: PlatformError) -> PlatformError:
    """`error`, its words freed of a credential that the vendor may have repeated."""
    if len(secret) < _LEAST_TO_HIDE or secret not in error.detail:
        return error
    detail = error.detail.replace(secret, "<credential>")
    return PlatformError(error.platform, error.kind, detail, error.retry_after_s, error.status)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, from lower-case headers, as milliseconds, seconds or a date.

    A date is taken against the answer's own `date`: our clock and theirs may differ.
    """
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) / unit
        except ValueError:
            continue
        return seconds if math.isfinite(seconds) and seconds >= 0 else None
    try:
        until = parsedate_to_datetime(headers.get("retry-after", ""))
        return max((until - parsedate_to_datetime(headers.get("date", ""))).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None


def codes_of(*candidates: object) -> tuple[str, ...]:
    """The candidates that are codes at all: vendors leave them out, or null."""
    return tuple(one for one in candidates if isinstance(one, str) and one)
