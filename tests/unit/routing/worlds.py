"""Small worlds for routing's tests: a platform, a scoreboard, an outcome; what matters is named."""

from collections.abc import Sequence
from decimal import Decimal

from routing import breaker as breakers
from routing.breaker import AILMENT_OF, Ailment, Breaker
from routing.capability import Capability
from routing.decision import Decision, decide
from routing.errors import ErrorKind
from routing.estimate import TaskFacts
from routing.exchange import Usage
from routing.money import Price
from routing.outcome import Outcome
from routing.plan import DEFAULT_DEADLINE_S, MAX_ATTEMPTS
from routing.platform_profile import PlatformProfile
from routing.policy import Strategy
from routing.question import Question
from routing.requirement import Requirements
from routing.scorecard import Scorecard, Snapshot

NOW = 1_767_225_600.0
FACTS = TaskFacts(input_bytes=2_000, messages=3, max_tokens=800)
NO_LIMITS = Requirements()
CHEAP = Price(Decimal("0.25"), Decimal("1.25"))
DEAR = Price(Decimal(5), Decimal(25))


def platform(
    name: str,
    *,
    price: Price | None = CHEAP,
    quality: float = 0.5,
    prior_latency_ms: float = 1_500.0,
    regions: frozenset[str] = frozenset({"us"}),
    capabilities: frozenset[Capability] = frozenset(Capability),
    context_window: int = 128_000,
    max_output_tokens: int = 8_192,
) -> PlatformProfile:
    """A platform that can do everything, unless told otherwise."""
    return PlatformProfile(
        name=name,
        model=f"{name}-model",
        capabilities=capabilities,
        context_window=context_window,
        max_output_tokens=max_output_tokens,
        regions=regions,
        quality=quality,
        prior_latency_ms=prior_latency_ms,
        price=price,
    )


def seen(*scorecards: Scorecard) -> Snapshot:
    """A scoreboard of these; a platform's name alone stands for the model it has in `platform`."""
    named = {
        card.target if "/" in card.target else f"{card.target}/{card.target}-model": card
        for card in scorecards
    }
    return Snapshot(7, "us-east", NOW, named)


def asked(
    profiles: Sequence[PlatformProfile],
    snapshot: Snapshot,
    requirements: Requirements = NO_LIMITS,
    facts: TaskFacts = FACTS,
    *,
    strategy: Strategy = Strategy.COST_OPTIMIZED,
    platform: str | None = None,
    model: str | None = None,
    fallback_platforms: Sequence[str] = (),
    deadline_s: float = DEFAULT_DEADLINE_S,
    seed: int = 1,
    max_attempts: int = MAX_ATTEMPTS,
    now: float = NOW,
) -> Decision:
    """The decision on a question of which only what matters is said."""
    question = Question(
        requirements,
        facts,
        strategy,
        now,
        seed,
        platform,
        model,
        tuple(fallback_platforms),
        deadline_s,
        max_attempts,
    )
    return decide(profiles, snapshot, question, decision_id="dec_1")


def fold(breaker: Breaker, of: Outcome, now: float) -> Breaker:
    """The breaker for that ailment which the outcome is about."""
    ailment = Ailment.HEALTH if of.error is None else AILMENT_OF[of.error]
    return breakers.fold(breaker, ailment, of, now)


def outcome(
    *,
    at: float,
    error: ErrorKind | None = None,
    latency_ms: float = 0.0,
    retry_after_s: float | None = None,
    abandoned: bool = False,
    answer_id: str = "ans_1",
    attempt: int = 0,
) -> Outcome:
    """An attempt that took no time and worked, unless told otherwise."""
    return Outcome(
        tenant="acme",
        answer_id=answer_id,
        attempt=attempt,
        platform="openai",
        target="openai/openai-model",
        model="openai-model",
        at=at,
        latency_ms=latency_ms,
        first_byte_ms=None,
        usage=Usage(),
        cost_usd=None,
        error=error,
        retry_after_s=retry_after_s,
        abandoned=abandoned,
    )
