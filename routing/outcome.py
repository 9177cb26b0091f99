"""What one attempt on one platform came to: the raw material of scorecards and ledger."""

from dataclasses import dataclass
from decimal import Decimal

from routing.errors import ErrorKind
from routing.exchange import RateLimit, Usage
from routing.size import Size


@dataclass(frozen=True, slots=True)
class Outcome:
    """One attempt, finished.

    `target` is who was asked, `model` who answered. `at` is its end in seconds since the epoch. `cost_usd` is None when the price is
    unknown. `error` is None when it answered; `abandoned` marks an attempt the
    caller gave up on, which says nothing about the platform. `longest_gap_ms` is the longest wait
    between two pieces of a stream, None where there was no second. A cost is an estimate where
    the vendor told no usage, and `is_over_bound` marks one over what the call could cost at most. `is_paced` marks what the adaptive strategy chose.
    """

    tenant: str
    answer_id: str
    attempt: int
    platform: str
    target: str
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
    rate_limit: RateLimit | None = None
    size: Size = Size.MEDIUM
    cost_is_estimate: bool = False
    is_paced: bool = False
    longest_gap_ms: float | None = None
    is_over_bound: bool = False
