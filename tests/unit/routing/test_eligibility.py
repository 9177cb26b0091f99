from dataclasses import replace
from decimal import Decimal

import pytest

from routing.breaker import BreakerPhase
from routing.capability import Capability
from routing.eligibility import MIN_OUTPUT_TOKENS, Candidate, assess
from routing.estimate import TaskFacts
from routing.money import Price
from routing.platform_profile import PlatformProfile
from routing.request_limits import RequestLimits
from routing.requirement import Requirements
from routing.scorecard import Scorecard
from tests.unit.routing.worlds import CHEAP, FACTS, NOW, platform


def weigh(
    profile: PlatformProfile,
    requirements: Requirements | None = None,
    card: Scorecard | None = None,
    facts: TaskFacts = FACTS,
) -> Candidate:
    return assess(
        profile, card or Scorecard(profile.name), requirements or Requirements(), facts, NOW
    )


def codes(candidate: Candidate) -> list[str]:
    return [reason.code for reason in candidate.reasons]


def test_who_meets_everything_is_eligible() -> None:
    """Limits that hold exclude nobody."""
    limits = Requirements(
        max_cost_usd=Decimal(1),
        max_latency_ms=1_500,
        capabilities=frozenset({Capability.VISION}),
        regions=frozenset({"us"}),
        min_quality=0.5,
    )
    assert weigh(platform("openai"), limits).is_eligible


@pytest.mark.parametrize(
    ("limits", "code", "would_pass"),
    [
        (Requirements(max_latency_ms=1_499), "max_latency_ms", 1_500.0),
        (Requirements(min_quality=0.6), "min_quality", 0.5),
        (Requirements(regions=frozenset({"eu"})), "region", ("eu", "us")),
    ],
)
def test_a_limit_that_is_not_met_is_named_with_what_would_pass(
    limits: Requirements, code: str, would_pass: object
) -> None:
    """The caller learns which promise cannot be kept and what the nearest one is."""
    candidate = weigh(platform("openai"), limits)
    assert codes(candidate) == [code]
    assert candidate.reasons[0].would_pass == would_pass
    assert not candidate.reasons[0].is_temporary


def test_every_unmet_demand_is_named_not_only_the_first() -> None:
    """A caller who fixes one limit is not told the next one only then."""
    limits = Requirements(
        Decimal(0), 1, frozenset({Capability.VISION, Capability.REASONING}), frozenset({"eu"}), 1.0
    )
    candidate = weigh(platform("openai", capabilities=frozenset()), limits)
    assert codes(candidate) == [
        "capability:reasoning",
        "capability:vision",
        "max_latency_ms",
        "region",
        "min_quality",
        "max_cost",
    ]


def test_what_the_task_needs_counts_like_what_the_caller_requires() -> None:
    """A request with an image never reaches a platform that cannot see."""
    facts = replace(FACTS, needs=frozenset({Capability.VISION}))
    blind = platform("openai", capabilities=frozenset({Capability.STREAMING}))
    assert codes(weigh(blind, facts=facts)) == ["capability:vision"]


def test_a_platform_that_may_process_elsewhere_too_breaks_a_region_limit() -> None:
    """Residency holds for every place the data may go, not for one of them."""
    roaming = platform("google_vertex", regions=frozenset({"eu", "us"}))
    assert codes(weigh(roaming, Requirements(regions=frozenset({"eu"})))) == ["region"]
    assert weigh(roaming, Requirements(regions=frozenset({"eu", "us"}))).is_eligible


def test_a_platform_of_unknown_region_breaks_every_region_limit() -> None:
    """Not knowing where data goes is not a promise that it stays."""
    nowhere = platform("copilot_studio", regions=frozenset())
    assert codes(weigh(nowhere, Requirements(regions=frozenset({"eu"})))) == ["region"]
    assert weigh(nowhere).is_eligible


def test_a_seen_p95_replaces_the_prior() -> None:
    """Latency promises follow what is measured, in both directions."""
    limits = Requirements(max_latency_ms=1_500)
    slow = Scorecard("openai", latency_p95_ms=2_000.0)
    assert codes(weigh(platform("openai"), limits, slow)) == ["max_latency_ms"]
    quick = Scorecard("openai", latency_p95_ms=900.0)
    assert weigh(platform("openai", prior_latency_ms=9_000), limits, quick).is_eligible


def test_a_tight_budget_shortens_the_answer_instead_of_breaking_the_limit() -> None:
    """Max cost is kept by max tokens: the bound of what is sent is under the limit."""
    limit = CHEAP.bound(FACTS.input_tokens_bound, 100)
    candidate = weigh(platform("openai"), Requirements(max_cost_usd=limit))
    assert candidate.max_tokens == 100
    assert candidate.cost_bound_usd == limit


def test_a_budget_for_less_than_a_sentence_is_a_violation() -> None:
    """An answer cut after a word is worth nothing; the caller is told what one costs."""
    limit = CHEAP.bound(FACTS.input_tokens_bound, MIN_OUTPUT_TOKENS - 1)
    candidate = weigh(platform("openai"), Requirements(max_cost_usd=limit))
    assert codes(candidate) == ["max_cost"]
    least = candidate.reasons[0].would_pass
    assert isinstance(least, Decimal)
    assert weigh(platform("openai"), Requirements(max_cost_usd=least)).is_eligible


def test_who_asks_for_a_few_tokens_gets_them() -> None:
    """The floor is against clamping, not against short questions."""
    facts = replace(FACTS, max_tokens=5)
    assert weigh(platform("openai"), facts=facts).max_tokens == 5


@pytest.mark.parametrize(
    ("asked", "least", "sent"), [(1, 16, 16), (17, 17, 17), (1, 40, 40), (1, 1, 1)]
)
def test_what_the_wire_would_ask_for_is_what_is_reckoned_with(
    asked: int, least: int, sent: int
) -> None:
    """Of a wire that knows no fewer than sixteen tokens, one token costs sixteen."""
    price = Price(Decimal(1), Decimal(10))
    profile = replace(
        platform("openai", price=price), limits=RequestLimits(least_output_tokens=least)
    )
    facts = TaskFacts(1, 1, asked)
    bound_usd = price.bound(facts.input_tokens_bound, sent)
    assert (found := weigh(profile, facts=facts)).max_tokens == sent
    assert found.cost_bound_usd == bound_usd
    assert weigh(profile, Requirements(max_cost_usd=bound_usd), facts=facts).is_eligible
    [reason] = weigh(
        profile, Requirements(max_cost_usd=bound_usd - Decimal("1e-9")), facts=facts
    ).reasons
    assert (reason.code, reason.would_pass) == ("max_cost", bound_usd)


def test_a_limit_on_cost_excludes_a_platform_of_unknown_price() -> None:
    """Unknown is not free."""
    unpriced = platform("copilot_studio", price=None)
    assert codes(weigh(unpriced, Requirements(max_cost_usd=Decimal(100)))) == ["unknown_price"]
    assert weigh(unpriced).is_eligible
    assert weigh(unpriced).expected_cost_usd is None


def test_a_text_longer_than_the_window_is_a_violation() -> None:
    """A platform is not asked what it cannot read."""
    small = platform("openai", context_window=8_000)
    facts = replace(FACTS, input_bytes=40_000)
    assert codes(weigh(small, facts=facts)) == ["context_window"]


def test_the_answer_is_clamped_to_the_room_the_text_leaves() -> None:
    """Vendors refuse input plus max_tokens beyond the window."""
    small = platform("openai", context_window=FACTS.input_tokens_expected + 50)
    assert weigh(small).max_tokens == 50


def test_the_answer_is_clamped_to_what_the_model_can_write() -> None:
    """Vendors refuse a max_tokens above the model's own."""
    assert weigh(platform("openai", max_output_tokens=64)).max_tokens == 64


def test_expected_cost_uses_the_length_of_answers_seen() -> None:
    """A talkative model is dearer than its price list."""
    short = Scorecard("openai", mean_output_tokens=10.0)
    long = Scorecard("openai", mean_output_tokens=700.0)
    cost_short = weigh(platform("openai"), card=short).expected_cost_usd
    cost_long = weigh(platform("openai"), card=long).expected_cost_usd
    assert cost_short is not None
    assert cost_long is not None
    assert cost_long - cost_short == pytest.approx(float(CHEAP.bound(0, 690)))


@pytest.mark.parametrize(
    ("card", "code"),
    [
        (
            Scorecard("openai", breaker=BreakerPhase.OPEN, breaker_until=NOW + 5),
            "breaker_open",
        ),
        (
            Scorecard("openai", breaker=BreakerPhase.HALF_OPEN, breaker_until=NOW + 5),
            "breaker_open",
        ),
        (Scorecard("openai", cooling_until=NOW + 5), "cooling_down"),
    ],
)
def test_breaker_and_cooling_are_reasons_that_pass(card: Scorecard, code: str) -> None:
    """What waiting solves is not blamed on the caller."""
    candidate = weigh(platform("openai"), card=card)
    assert codes(candidate) == [code]
    assert candidate.is_only_resting
    assert "5.0 s" in candidate.reasons[0].detail


def test_a_breaker_due_for_its_probe_is_eligible() -> None:
    """A platform gets its chance to come back."""
    due = Scorecard("openai", breaker=BreakerPhase.OPEN, breaker_until=NOW)
    assert weigh(platform("openai"), card=due).is_eligible
