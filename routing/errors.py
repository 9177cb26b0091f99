"""What can go wrong, by whose move it is next, and what the road does about it.

Errors cross processes, so every argument goes positionally to `super().__init__`
(an exception with a keyword-only constructor does not unpickle).
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Literal


class SupportMaxError(Exception):
    """Anything SupportMax raises on purpose. `code` is stable and lower_snake."""

    code = "internal_error"


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing a caller must change: where (a JSON pointer or requirement), and what to do."""

    where: str
    message: str


class RequestError(SupportMaxError):
    """The caller must change something; nobody was called."""

    def __init__(self, code: str, detail: str, violations: tuple[Violation, ...] = ()) -> None:
        super().__init__(code, detail, violations)
        self.code = code
        self.detail = detail
        self.violations = violations


class AccessError(SupportMaxError):
    """Who is calling is unknown, or may not do this, or may not do it now."""

    def __init__(
        self,
        code: Literal[
            "unauthenticated", "forbidden", "not_found", "rate_limited", "address_not_allowed"
        ],
        detail: str,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(code, detail, retry_after_s)
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s


class MisdirectedRequest(SupportMaxError):
    """Another region serves this tenant; nobody was called."""

    code = "misdirected_request"

    def __init__(self, detail: str, region: str) -> None:
        super().__init__(detail, region)
        self.detail = detail
        self.region = region


class BudgetExceeded(SupportMaxError):
    """What may be spent today is spent or set aside; nobody was called.

    `retry_after_s` is the time until the budget begins anew.
    """

    code = "budget_exceeded"

    def __init__(self, detail: str, budget: str, left_usd: Decimal, retry_after_s: float) -> None:
        super().__init__(detail, budget, left_usd, retry_after_s)
        self.detail = detail
        self.budget = budget
        self.left_usd = left_usd
        self.retry_after_s = retry_after_s


class BudgetUnavailable(SupportMaxError):
    """Whether a budget allows this cannot be told just now; nobody was called."""

    code = "budget_unavailable"

    def __init__(self, detail: str, retry_after_s: float = 1.0) -> None:
        super().__init__(detail, retry_after_s)
        self.detail = detail
        self.retry_after_s = retry_after_s


class ConflictError(SupportMaxError):
    """The same thing is being done already; ask again later."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


class ConfigError(SupportMaxError):
    """A configuration file says something that cannot be meant.

    `line` is 1-based, or None where no line can be named; `key` is a dotted path.
    """

    code = "config_error"

    def __init__(self, path: str, line: int | None, key: str, message: str) -> None:
        super().__init__(path, line, key, message)
        self.path = path
        self.line = line
        self.key = key
        self.message = message

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}" if self.line is not None else self.path
        return f"{where}: {self.key}: {self.message}" if self.key else f"{where}: {self.message}"


class ErrorKind(StrEnum):
    """What a platform did instead of answering."""

    RATE_LIMITED = "rate_limited"
    QUOTA_EXHAUSTED = "quota_exhausted"
    OVERLOADED = "overloaded"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    STREAM_TRUNCATED = "stream_truncated"
    BAD_REPLY = "bad_reply"
    CREDENTIALS = "credentials"
    PERMISSION = "permission"
    MODEL_GONE = "model_gone"
    CONTEXT_TOO_LONG = "context_too_long"
    CONTENT_FILTERED = "content_filtered"
    INVALID_REQUEST = "invalid_request"
    SATURATED = "saturated"
    """Our own replica or its pool is full: says nothing about the platform."""


@dataclass(frozen=True, slots=True)
class Handling:
    """What the executor may do next, and what the platform's health is told."""

    retry_same: bool
    fail_over: bool
    counts_against_health: bool


HANDLING: dict[ErrorKind, Handling] = {
    # A 429 is neutral to health (it is an answer) but cools the platform down.
    ErrorKind.RATE_LIMITED: Handling(retry_same=False, fail_over=True, counts_against_health=False),
    ErrorKind.QUOTA_EXHAUSTED: Handling(
        retry_same=False, fail_over=True, counts_against_health=True
    ),
    ErrorKind.OVERLOADED: Handling(retry_same=True, fail_over=True, counts_against_health=True),
    ErrorKind.TIMEOUT: Handling(retry_same=False, fail_over=True, counts_against_health=True),
    ErrorKind.CONNECTION: Handling(retry_same=True, fail_over=True, counts_against_health=True),
    ErrorKind.STREAM_TRUNCATED: Handling(
        retry_same=True, fail_over=True, counts_against_health=True
    ),
    ErrorKind.BAD_REPLY: Handling(retry_same=True, fail_over=True, counts_against_health=True),
    ErrorKind.CREDENTIALS: Handling(retry_same=False, fail_over=True, counts_against_health=True),
    ErrorKind.PERMISSION: Handling(retry_same=False, fail_over=True, counts_against_health=True),
    ErrorKind.MODEL_GONE: Handling(retry_same=False, fail_over=True, counts_against_health=True),
    # Another platform may have the larger window or the other policy, but the same
    # text would most likely be refused again; a caller must see the reason.
    ErrorKind.CONTEXT_TOO_LONG: Handling(
        retry_same=False, fail_over=True, counts_against_health=False
    ),
    ErrorKind.CONTENT_FILTERED: Handling(
        retry_same=False, fail_over=False, counts_against_health=False
    ),
    ErrorKind.INVALID_REQUEST: Handling(
        retry_same=False, fail_over=False, counts_against_health=False
    ),
    ErrorKind.SATURATED: Handling(retry_same=False, fail_over=True, counts_against_health=False),
}

# A 429 that says when it is over is worth the wait, where there is nobody else to ask.
_LIMITED_UNTIL = replace(HANDLING[ErrorKind.RATE_LIMITED], retry_same=True)


class PlatformError(SupportMaxError):
    """A platform did not do what we asked; another one may.

    `detail` keeps the vendor's words, `status` its HTTP status when there was one.
    """

    code = "platform_error"

    def __init__(
        self,
        platform: str,
        kind: ErrorKind,
        detail: str,
        retry_after_s: float | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(platform, kind, detail, retry_after_s, status)
        self.platform = platform
        self.kind = kind
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.status = status

    @property
    def handling(self) -> Handling:
        """What may be done about it."""
        if self.kind is ErrorKind.RATE_LIMITED and self.retry_after_s is not None:
            return _LIMITED_UNTIL
        return HANDLING[self.kind]


class DeadlineExceeded(SupportMaxError):
    """The caller's time ran out before any platform had answered."""

    code = "deadline_exceeded"

    def __init__(self, detail: str, attempts: tuple[PlatformError, ...] = ()) -> None:
        super().__init__(detail, attempts)
        self.detail = detail
        self.attempts = attempts


class NoPlatformAvailable(SupportMaxError):
    """Every platform that could have answered failed, each with its reason."""

    code = "no_platform_available"

    def __init__(self, detail: str, attempts: tuple[PlatformError, ...] = ()) -> None:
        super().__init__(detail, attempts)
        self.detail = detail
        self.attempts = attempts
