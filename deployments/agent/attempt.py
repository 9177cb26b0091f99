"""One attempt, from its beginning to the one Outcome it ends in, and the journey it is part of."""

import logging
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from deployments.agent.bill import Bill, CostBound, bill_of, was_read
from routing.clock import Clock
from routing.errors import ErrorKind, PlatformError
from routing.estimate import BYTES_PER_TOKEN, TaskFacts, utf8_length
from routing.exchange import ChatReply, ChatRequest, Usage
from routing.outcome import Outcome
from routing.plan import AttemptPlan, PlannedAttempt
from routing.platform_profile import PlatformProfile

_log = logging.getLogger(__name__)


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
    """What the attempts of one answer cost together; None as soon as one price is unknown.

    `usd` is about what was charged, `at_most_usd` what may have been: the first is shown, the
    second is taken from budgets. `tokens` are those that were read and written, as far as is known.
    """

    usd: Decimal | None = Decimal(0)
    is_estimate: bool = False
    at_most_usd: Decimal | None = Decimal(0)
    tokens: int = 0

    def add(self, bill: Bill, usage: Usage) -> None:
        """One attempt more."""
        self.tokens += usage.input_tokens + usage.output_tokens
        self.usd = _sum(self.usd, bill.about_usd)
        self.at_most_usd = _sum(self.at_most_usd, bill.at_most_usd)
        self.is_estimate = self.is_estimate or bill.is_estimate


@dataclass(slots=True)
class Journey:
    """A plan under way for one answer.

    `began` is on the monotonic clock. `left_usd` is what may still be spent, None
    without a limit; every attempt takes from it what it cost, or its bound where that is unknown.
    `said` is the text that reached the caller, whoever said it, and `usage` that of the calls
    which said some of it and were cut, as far as is known. `hedged` are the plan's
    attempts that were made beside another. `at_stake_usd` is the most that the attempts under way
    can cost together. `is_paced` is whether the adaptive strategy chose. `answered_at` is when it
    had an answer, on the monotonic clock.
    """

    plan: AttemptPlan
    request: ChatRequest
    tenant: str
    answer_id: str
    began: float
    facts: TaskFacts
    left_usd: Decimal | None
    said: str = ""
    usage: Usage = field(default_factory=Usage)
    spent: Spent = field(default_factory=Spent)
    hedged: set[int] = field(default_factory=set)
    tried: list[Tried] = field(default_factory=list)
    failures: list[PlatformError] = field(default_factory=list)
    is_paced: bool = False
    at_stake_usd: Decimal = Decimal(0)
    answered_at: float | None = None


class Attempt:
    """One call, from its beginning to the one Outcome it ends in."""

    def __init__(
        self,
        journey: Journey,
        planned: PlannedAttempt,
        profile: PlatformProfile,
        reporter: Reporter,
        clock: Clock,
        bound: CostBound,
    ) -> None:
        self.reply: ChatReply | None = None
        self._journey = journey
        self._planned = planned
        self._profile = profile
        self._reporter = reporter
        self._clock = clock
        self._bound = bound
        journey.at_stake_usd += bound.usd or Decimal(0)
        self._began = clock.monotonic()
        self._first_byte_ms: float | None = None
        self._longest_gap_ms: float | None = None
        self._bytes = 0
        self._is_over = False
        reporter.begin(planned.target)

    @property
    def platform(self) -> str:
        """Who is asked."""
        return self._planned.platform

    @property
    def profile(self) -> PlatformProfile:
        """And as what: its model, at the price of the moment it was asked."""
        return self._profile

    @property
    def usage(self) -> Usage:
        """What the vendor counted; before it has told, about what it will have counted by now."""
        if self.reply is not None:
            return self.reply.usage
        produced = self._bytes // BYTES_PER_TOKEN
        return Usage(self._journey.facts.input_tokens_expected, output_tokens=produced)

    @property
    def _counted(self) -> Usage:
        """The same; of a vendor that tells no figures, about what they will have been."""
        if self.reply is None or self.reply.usage != Usage():
            return self.usage
        words = utf8_length(self.reply.text) // BYTES_PER_TOKEN
        return Usage(self._journey.facts.input_tokens_expected, output_tokens=words)

    def hear(self, text: str) -> None:
        """Text of it has come."""
        if self._first_byte_ms is None:
            self._first_byte_ms = self._elapsed_ms()
        self._bytes += utf8_length(text)

    def waited(self, seconds: float) -> None:
        """So long nothing came of it, while somebody listened."""
        if self._first_byte_ms is not None:
            self._longest_gap_ms = max(self._longest_gap_ms or 0.0, seconds * 1000)

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
        bill = bill_of(
            self._profile.price,
            self._bound,
            self.reply,
            failure,
            self.usage,  # vendors bill the input and what was produced until the connection closed
            has_spoken=self._bytes > 0,
        )
        if bill.is_over_bound:
            _log.error(
                "%s billed %s USD for a call that could cost %s USD at most",
                self._planned.target,
                bill.about_usd,
                self._bound.usd,
            )
        is_read = was_read(self.reply, failure, has_spoken=self._bytes > 0)
        self._journey.spent.add(bill, self._counted if is_read else Usage())
        self._report(bill, failure, abandoned=error is not None and failure is None)
        if failure is not None:
            self._journey.failures.append(failure)
        self._journey.at_stake_usd -= self._bound.usd or Decimal(0)
        if self._journey.left_usd is not None:
            self._journey.left_usd -= bill.at_most_usd or Decimal(0)
        return failure is not None or error is None

    def _report(self, bill: Bill, failure: PlatformError | None, *, abandoned: bool) -> None:
        journey, planned = self._journey, self._planned
        latency_ms = self._elapsed_ms()
        self._reporter.end(
            Outcome(
                tenant=journey.tenant,
                answer_id=journey.answer_id,
                attempt=len(journey.tried),
                platform=planned.platform,
                target=planned.target,
                size=journey.facts.size,
                cost_is_estimate=bill.is_estimate,
                model=planned.model if self.reply is None else self.reply.model,
                at=self._clock.now(),
                latency_ms=latency_ms,
                first_byte_ms=self._first_byte_ms,
                usage=Usage() if self.reply is None else self.reply.usage,
                cost_usd=bill.about_usd,
                error=None if failure is None else failure.kind,
                retry_after_s=None if failure is None else failure.retry_after_s,
                abandoned=abandoned,
                simulated=self._profile.simulated,
                rate_limit=None if self.reply is None else self.reply.rate_limit,
                is_paced=journey.is_paced,
                longest_gap_ms=self._longest_gap_ms,
                is_over_bound=bill.is_over_bound,
            )
        )
        outcome = "ok" if failure is None else failure.kind.value
        outcome = "abandoned" if abandoned else outcome
        journey.tried.append(Tried(planned.platform, outcome, latency_ms))

    def _elapsed_ms(self) -> float:
        return (self._clock.monotonic() - self._began) * 1000


def _sum(one: Decimal | None, other: Decimal | None) -> Decimal | None:
    return None if one is None or other is None else one + other
