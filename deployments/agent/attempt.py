"""One attempt, from its beginning to the one Outcome it ends in, and the journey it is part of."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from routing.clock import Clock
from routing.errors import ErrorKind, PlatformError
from routing.estimate import BYTES_PER_TOKEN, TaskFacts
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

    def begin(self, target: str) -> None:
        """An attempt starts."""
        ...

    def end(self, outcome: Outcome) -> None:
        """It ended so."""
        ...

    async def claim_probe(self, target: str, key: str) -> bool:
        """Whether the attempt `key` may be the probe of a breaker that is not closed."""
        ...

    def release_probe(self, target: str, key: str) -> None:
        """It claimed the probe and was never sent: the next may have it."""
        ...


@dataclass(slots=True)
class Spent:
    """What the attempts of one answer cost together; `usd` None as soon as one price is unknown."""

    usd: Decimal | None = Decimal(0)
    is_estimate: bool = False

    def add(self, usd: Decimal | None, *, is_estimate: bool) -> None:
        """One attempt more."""
        self.usd = None if self.usd is None or usd is None else self.usd + usd
        self.is_estimate = self.is_estimate or is_estimate


@dataclass(slots=True)
class Journey:
    """A plan under way for one answer.

    `began` is on the monotonic clock. `left_usd` is what may still be spent, None
    without a limit; an attempt that may have been billed takes its bound from it.
    `said` is the text that reached the caller, whoever said it. `hedged` are the plan's
    attempts that were made beside another. `is_paced` is whether the adaptive strategy chose.
    """

    plan: AttemptPlan
    request: ChatRequest
    tenant: str
    answer_id: str
    began: float
    facts: TaskFacts
    left_usd: Decimal | None
    said: str = ""
    spent: Spent = field(default_factory=Spent)
    hedged: set[int] = field(default_factory=set)
    tried: list[Tried] = field(default_factory=list)
    failures: list[PlatformError] = field(default_factory=list)
    is_paced: bool = False


class Attempt:
    """One call, from its beginning to the one Outcome it ends in."""

    def __init__(
        self,
        journey: Journey,
        planned: PlannedAttempt,
        profile: PlatformProfile,
        reporter: Reporter,
        clock: Clock,
        cost_bound_usd: Decimal | None = None,
    ) -> None:
        self.reply: ChatReply | None = None
        self._journey = journey
        self._planned = planned
        self._profile = profile
        self._reporter = reporter
        self._clock = clock
        self._cost_bound_usd = cost_bound_usd
        self._began = clock.monotonic()
        self._first_byte_ms: float | None = None
        self._bytes = 0
        self._is_over = False
        reporter.begin(planned.target)

    @property
    def platform(self) -> str:
        """Who is asked."""
        return self._planned.platform

    @property
    def target(self) -> str:
        """And for which model."""
        return self._planned.target

    def hear(self, text: str) -> None:
        """Text of it has come."""
        if self._first_byte_ms is None:
            self._first_byte_ms = self._elapsed_ms()
        self._bytes += len(text)

    def end(self, error: BaseException | None = None) -> bool:
        """It is over; whether `error` is a platform's failure, noted here and not to be raised.

        Without an error and without a reply the stream had no end. Anything that is no
        platform's doing (the caller left, a bug) is reported as abandoned. Only the
        first end counts.
        """
        if self._is_over:
            return True
        self._is_over = True
        failure = error if isinstance(error, PlatformError) else None
        if error is None and self.reply is None:
            detail = "the stream had no end"
            failure = PlatformError(self.platform, ErrorKind.STREAM_TRUNCATED, detail)
        self._report(failure, abandoned=error is not None and failure is None)
        if failure is not None:
            self._journey.failures.append(failure)
        is_lost = self.reply is None and self._may_be_billed(failure)
        if self._journey.left_usd is not None and is_lost:
            self._journey.left_usd -= self._cost_bound_usd or Decimal(0)
        return failure is not None or error is None

    def _may_be_billed(self, failure: PlatformError | None) -> bool:
        """Whether the vendor may charge for it; once text has come, whatever ended it."""
        return failure is None or self._bytes > 0 or failure.kind not in _NEVER_BILLED

    def _cost(self, failure: PlatformError | None) -> tuple[Decimal | None, bool]:
        """What it cost, and whether that is a guess, which it is where no usage was told."""
        price = self._profile.price
        unreached = failure is not None and failure.kind is ErrorKind.CONNECTION and not self._bytes
        if unreached or not self._may_be_billed(failure):
            return Decimal(0), False
        if price is None:
            return None, False
        if self.reply is not None:
            cost_usd = price.cost(self.reply.usage, self.reply.service_tier)
            return cost_usd, price.is_estimate
        # Vendors bill the input and what was produced until the connection closed.
        produced = self._bytes // BYTES_PER_TOKEN
        return price.cost(Usage(self._journey.facts.input_tokens_expected, 0, 0, produced)), True

    def _report(self, failure: PlatformError | None, *, abandoned: bool) -> None:
        journey, planned = self._journey, self._planned
        latency_ms = self._elapsed_ms()
        cost_usd, is_estimate = self._cost(failure)
        journey.spent.add(cost_usd, is_estimate=is_estimate)
        self._reporter.end(
            Outcome(
                tenant=journey.tenant,
                answer_id=journey.answer_id,
                attempt=len(journey.tried),
                platform=planned.platform,
                target=planned.target,
                size=journey.facts.size,
                cost_is_estimate=is_estimate,
                model=planned.model if self.reply is None else self.reply.model,
                at=self._clock.now(),
                latency_ms=latency_ms,
                first_byte_ms=self._first_byte_ms,
                usage=Usage() if self.reply is None else self.reply.usage,
                cost_usd=cost_usd,
                error=None if failure is None else failure.kind,
                retry_after_s=None if failure is None else failure.retry_after_s,
                abandoned=abandoned,
                simulated=self._profile.simulated,
                rate_limit=None if self.reply is None else self.reply.rate_limit,
                is_paced=journey.is_paced,
            )
        )
        outcome = "ok" if failure is None else failure.kind.value
        outcome = "abandoned" if abandoned else outcome
        journey.tried.append(Tried(planned.platform, outcome, latency_ms))

    def _elapsed_ms(self) -> float:
        return (self._clock.monotonic() - self._began) * 1000
