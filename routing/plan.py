"""What to try, in which order, for how long: a primary and its fallbacks within one deadline."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from routing.capability import Capability
from routing.eligibility import Candidate
from routing.estimate import TaskFacts
from routing.message import Json
from routing.platform_profile import target_of
from routing.silence import UNKNOWN, Patience, patience_of

MAX_ATTEMPTS = 4
"""Each adds cost and delay; four independent platforms at 98.6 % (OpenAI's calendar) miss 4e-8."""

DEFAULT_DEADLINE_S = 60.0
"""For callers who name none: the read timeout most clients and proxies come with."""

FALLBACK_SHARE = 0.1
"""Of the time left, what an attempt leaves to its successors even when it needs it all."""


@dataclass(slots=True)  # not frozen: that costs most of a microsecond each, of four in a decision
class PlannedAttempt:
    """One call of a plan; never changed once made.

    `timeout_s` is its share when all before it used theirs up; `AttemptPlan.time_for`
    gives it what they left. `cost_bound_usd` holds for this attempt alone: after one that
    may have been billed, clamp again (`estimate.affordable_tokens`). `is_probe` asks the
    executor to claim the breaker's probe first, and to go on to the next if it cannot.
    """

    platform: str
    model: str
    max_tokens: int
    timeout_s: float
    cost_bound_usd: Decimal | None = None
    is_probe: bool = False
    patience: Patience = UNKNOWN

    @property
    def target(self) -> str:
        """Its platform and model as one name."""
        return target_of(self.platform, self.model)

    def to_json(self) -> dict[str, Json]:
        """This attempt as callers see it."""
        return {
            "platform": self.platform,
            "model": self.model,
            "max_tokens": self.max_tokens,
            "timeout_s": round(self.timeout_s, 3),
            "silence_s": self._silence_s(),
        }

    def _silence_s(self) -> float | None:
        first_s = self.patience.first_s
        return None if first_s is None else round(min(first_s, self.timeout_s), 3)


@dataclass(frozen=True, slots=True)
class AttemptPlan:
    """Attempts on different platforms, best first; their timeouts add up to the deadline.

    `hedge_after_s` is the silence of the first after which the second is asked beside it,
    None where that is not worth it or not allowed.
    """

    deadline_s: float
    attempts: tuple[PlannedAttempt, ...]
    hedge_after_s: float | None = None

    @property
    def primary(self) -> PlannedAttempt:
        """The attempt that is made first."""
        return self.attempts[0]

    def time_for(self, index: int, elapsed_s: float) -> float:
        """Seconds attempt `index` may take when it starts `elapsed_s` into the plan.

        All that is left but the shares of the attempts after it; zero if nothing is.
        """
        reserved_s = sum(attempt.timeout_s for attempt in self.attempts[index + 1 :])
        return max(self.deadline_s - elapsed_s - reserved_s, 0.0)


def make_plan(
    ranked: Sequence[Candidate], within_s: float, max_attempts: int, facts: TaskFacts, now: float
) -> AttemptPlan:
    """The first `max_attempts` of `ranked`, with the deadline split between them.

    Each fallback is reserved its own p95. Where time is too short for that, the earlier
    attempt gets its p95 first: an attempt cut off sooner is mostly money for nothing, and
    most failures are quick and leave their time to the next.
    """
    chosen = ranked[:max_attempts]
    patiences = _patiences(chosen, facts)
    reserved_s = sum([candidate.latency_p95_ms for candidate in chosen]) / 1000
    attempts: list[PlannedAttempt] = []
    left_s = within_s
    for index, (candidate, patience) in enumerate(zip(chosen, patiences, strict=True), start=1):
        own_s = candidate.latency_p95_ms / 1000
        reserved_s -= own_s
        timeout_s = left_s
        if index < len(chosen):
            timeout_s = min(max(left_s - reserved_s, own_s), left_s * (1 - FALLBACK_SHARE))
        left_s -= timeout_s
        attempts.append(
            PlannedAttempt(
                candidate.platform,
                candidate.profile.model,
                candidate.max_tokens,
                timeout_s,
                candidate.cost_bound_usd,
                candidate.scorecard.awaits_probe(now),
                patience,
            )
        )
    return AttemptPlan(within_s, tuple(attempts), _hedge_after_s(chosen, facts, now))


def _patiences(chosen: Sequence[Candidate], facts: TaskFacts) -> list[Patience]:
    """Of each attempt; one of which too little is known is well where it is as quick as the others."""
    # A tool is called when all its arguments are there; until then such a stream is silent.
    speaks_early = Capability.STREAMING in facts.needs and (
        Capability.FUNCTION_CALLING not in facts.needs
    )
    own = [patience_of(c.scorecard, facts.size, speaks_early=speaks_early) for c in chosen]
    known_s = [p.well_s for p in own if p.well_s is not None]
    if not known_s:
        return own
    others_s = max(known_s)
    return [p if p.well_s is not None else replace(p, well_s=others_s) for p in own]


def _hedge_after_s(chosen: Sequence[Candidate], facts: TaskFacts, now: float) -> float | None:
    """The first platform's own p95 for requests of this size, where a second may be asked after it.

    Never with tools: two platforms that both ask for a refund are two refunds. Never with a
    hosted agent, which takes a question alone and may act on it by itself. A probe is
    no second, and of a platform not seen lately nobody knows what is late.
    """
    if len(chosen) < 2 or Capability.FUNCTION_CALLING in facts.needs:
        return None
    if chosen[0].platform == chosen[1].platform:
        return None
    if not (chosen[0].profile.limits.continues and chosen[1].profile.limits.continues):
        return None
    first, second = chosen[0].scorecard, chosen[1].scorecard
    if first.awaits_probe(now) or second.awaits_probe(now):
        return None
    if Capability.STREAMING in facts.needs:
        late_ms = first.first_byte_p95_ms[facts.size]
    else:
        late_ms = None if first.latency_p95_ms is None else chosen[0].latency_p95_ms
    return None if late_ms is None else late_ms / 1000
