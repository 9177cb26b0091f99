"""One attempt, from its beginning to the one Outcome it ends in, and the journey it is part of."""

from dataclasses import dataclass, field
from decimal import Decimal
from types import TracebackType
from typing import Protocol, Self

from routing.clock import Clock
from routing.errors import ErrorKind, PlatformError
from routing.exchange import ChatReply, ChatRequest, Usage
from routing.outcome import Outcome
from routing.plan import AttemptPlan, PlannedAttempt
from routing.platform_profile import PlatformProfile

# Failures after which nothing can have been charged: the platform refused, or was not reached.
_NEVER_BILLED = frozenset(
    {
        ErrorKind.RATE_LIMITED,
        ErrorKind.QUOTA_EXHAUSTED,
        ErrorKind.OVERLOADED,
        ErrorKind.CREDENTIALS,
        ErrorKind.PERMISSION,
        ErrorKind.MODEL_GONE,
        ErrorKind.CONTEXT_TOO_LONG,
        ErrorKind.CONTENT_FILTERED,
        ErrorKind.INVALID_REQUEST,
        ErrorKind.SATURATED,
    }
)


@dataclass(frozen=True, slots=True)
class Tried:
    """One call to one platform, as callers see it: `ok`, or the kind of its failure."""

    platform: str
    outcome: str
    latency_ms: float


class Reporter(Protocol):
    """Where attempts are told: the coordinator's client."""

    def begin(self, platform: str) -> None:
        """An attempt starts."""
        ...

    def end(self, outcome: Outcome) -> None:
        """It ended so."""
        ...

    async def claim_probe(self, platform: str, key: str) -> bool:
        """Whether the attempt `key` may be the probe of a breaker that is not closed."""
        ...


@dataclass(slots=True)
class Journey:
    """A plan under way for one answer.

    `began` is on the monotonic clock. `left_usd` is what may still be spent, None
    without a limit; an attempt that may have been billed takes its bound from it.
    """

    plan: AttemptPlan
    request: ChatRequest
    tenant: str
    answer_id: str
    began: float
    input_tokens_bound: int
    left_usd: Decimal | None
    tried: list[Tried] = field(default_factory=list)
    failures: list[PlatformError] = field(default_factory=list)


class Attempt:
    """A context manager around one call: a platform's failure ends inside it, noted and reported.

    Anything else that interrupts it (the caller left, a bug) passes through, and the
    attempt is reported as abandoned.
    """

    def __init__(
        self,
        journey: Journey,
        planned: PlannedAttempt,
        profile: PlatformProfile,
        reporter: Reporter,
        clock: Clock,
    ) -> None:
        self.reply: ChatReply | None = None
        self._journey = journey
        self._planned = planned
        self._profile = profile
        self._reporter = reporter
        self._clock = clock
        self._began = 0.0
        self._first_byte_ms: float | None = None

    @property
    def is_committed(self) -> bool:
        """Whether text of it has been passed on."""
        return self._first_byte_ms is not None

    def commit(self) -> None:
        """Text of it is passed on now."""
        if self._first_byte_ms is None:
            self._first_byte_ms = self._elapsed_ms()

    def __enter__(self) -> Self:
        self._began = self._clock.monotonic()
        self._reporter.begin(self._planned.platform)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        failure = error if isinstance(error, PlatformError) else None
        if error is None and self.reply is None:
            detail = "the stream had no end"
            failure = PlatformError(self._planned.platform, ErrorKind.STREAM_TRUNCATED, detail)
        self._report(failure, abandoned=error is not None and failure is None)
        if failure is not None:
            self._journey.failures.append(failure)
            if self._journey.left_usd is not None and failure.kind not in _NEVER_BILLED:
                self._journey.left_usd -= self._planned.cost_bound_usd or Decimal(0)
        return failure is not None

    def _report(self, failure: PlatformError | None, *, abandoned: bool) -> None:
        journey, planned = self._journey, self._planned
        latency_ms = self._elapsed_ms()
        usage = Usage() if self.reply is None else self.reply.usage
        cost_usd = None
        if self.reply is not None and self._profile.price is not None:
            cost_usd = self._profile.price.cost(usage)
        self._reporter.end(
            Outcome(
                tenant=journey.tenant,
                answer_id=journey.answer_id,
                attempt=len(journey.tried),
                platform=planned.platform,
                model=planned.model if self.reply is None else self.reply.model,
                at=self._clock.now(),
                latency_ms=latency_ms,
                first_byte_ms=self._first_byte_ms,
                usage=usage,
                cost_usd=cost_usd,
                error=None if failure is None else failure.kind,
                retry_after_s=None if failure is None else failure.retry_after_s,
                abandoned=abandoned,
                simulated=self._profile.simulated,
            )
        )
        outcome = "ok" if failure is None else failure.kind.value
        journey.tried.append(Tried(planned.platform, outcome, latency_ms))

    def _elapsed_ms(self) -> float:
        return (self._clock.monotonic() - self._began) * 1000
