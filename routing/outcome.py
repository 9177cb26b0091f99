"""What one attempt on one platform came to: the raw material of scorecards and ledger."""

from dataclasses import dataclass
from decimal import Decimal

from routing.errors import ErrorKind
from routing.exchange import Usage


@dataclass(frozen=True, slots=True)
class Outcome:
    """One attempt, finished.

    `at` is its end in seconds since the epoch. `cost_usd` is None when the price is
    unknown. `error` is None when it answered; `abandoned` marks an attempt the
    caller gave up on, which says nothing about the platform.
    """

    tenant: str
    answer_id: str
    attempt: int
    platform: str
    model: str
    at: float
    latency_ms: float
    first_byte_ms: float | None
    usage: Usage
    cost_usd: Decimal | None
    error: ErrorKind | None = None
    retry_after_s: float | None = None
    abandoned: bool = False
    simulated: bool = False
