from collections import Counter
from dataclasses import replace
from decimal import Decimal
from random import Random

import pytest

from routing.eligibility import Candidate, assess
from routing.money import Price
from routing.peak import Peak
from routing.platform_profile import PlatformProfile
from routing.policies import POLICIES, make_policies
from routing.policies.balanced import Weights
from routing.policies.latency import PEAK_SHARE, expected_ms
from routing.policy import Seeded, Strategy
from routing.requirement import Requirements
from routing.scorecard import Scorecard
from tests.unit.routing.worlds import CHEAP, DEAR, FACTS, NOW, platform


def candidate(profile: PlatformProfile, card: Scorecard | None = None) -> Candidate:
    return assess(profile, card or Scorecard(profile.name), Requirements(), FACTS, NOW)


def order(strategy: Strategy, *candidates: Candidate, seed: int = 1) -> list[str]:
    return [c.platform for c in POLICIES[strategy](candidates, Random(seed)).order]  # noqa: S311


def timed(name: str, ms: float, in_flight: int = 0, success_rate: float = 1.0) -> Candidate:
    card = Scorecard(
        name,
        latency_p50_ms=ms,
        latency_p95_ms=ms,
        in_flight=in_flight,
        success_rate=success_rate,
    )
    return candidate(platform(name), card)


@pytest.mark.parametrize("strategy", list(Strategy))
def test_every_strategy_has_a_policy_that_keeps_all_candidates(strategy: Strategy) -> None:
    """A ranking loses nobody: the last is still a fallback."""
    names = ["a", "b", "c"]
    assert sorted(order(strategy, *(candidate(platform(n)) for n in names))) == names


def test_the_cheapest_comes_first_and_an_unknown_price_last() -> None:
    """cost_optimized never gambles on a platform whose bill nobody can foresee."""
    ranked = order(
        Strategy.COST_OPTIMIZED,
        candidate(platform("unknown", price=None)),
        candidate(platform("dear", price=DEAR)),
        candidate(platform("cheap", price=CHEAP)),
    )
    assert ranked == ["cheap", "dear", "unknown"]


def test_of_equally_cheap_platforms_the_faster_comes_first() -> None:
    """Saving money costs no time where it need not."""
    slow = candidate(platform("slow", prior_latency_ms=3_000))
    fast = candidate(platform("fast", prior_latency_ms=1_000))
    assert order(Strategy.COST_OPTIMIZED, slow, fast) == ["fast", "slow"]


def test_the_best_model_comes_first_and_of_equals_the_cheaper() -> None:
    """capability pays for quality, not for a name."""
    ranked = order(
        Strategy.CAPABILITY,
        candidate(platform("good", quality=0.5)),
        candidate(platform("best_dear", quality=0.9, price=DEAR)),
        candidate(platform("best_cheap", quality=0.9, price=CHEAP)),
    )
    assert ranked == ["best_cheap", "best_dear", "good"]


@pytest.mark.parametrize("strategy", [Strategy.COST_OPTIMIZED, Strategy.CAPABILITY])
def test_full_ties_keep_the_operators_order(strategy: Strategy) -> None:
    """Which of two equals is chosen is the operator's word, not an accident."""
    assert order(strategy, candidate(platform("z")), candidate(platform("a"))) == ["z", "a"]


def test_a_platform_far_faster_is_always_first() -> None:
    """Chance never sends a customer to a slow platform."""
    fast, slow = timed("fast", 500), timed("slow", 2_000)
    for seed in range(50):
        assert order(Strategy.LATENCY, slow, fast, seed=seed) == ["fast", "slow"]


def test_requests_in_flight_turn_traffic_away_from_a_busy_platform() -> None:
    """Without this term latency routing is worse than random under load."""
    busy, idle = timed("busy", 500, in_flight=100), timed("idle", 900)
    assert order(Strategy.LATENCY, busy, idle) == ["idle", "busy"]


def test_failures_make_a_platform_slow() -> None:
    """An answer that must be asked for twice takes twice the time."""
    assert expected_ms(timed("flaky", 500, success_rate=0.5)) == 1_000


def test_a_third_of_the_peak_is_the_least_that_is_expected_and_carries_its_own_load() -> None:
    """The percentiles of minutes have not seen it yet; and it fades."""
    card = Scorecard("late", latency_p50_ms=500.0, latency_p95_ms=500.0, in_flight=1)
    peaked = replace(card, peaks=(None, Peak(9_000.0, NOW), None))
    assert expected_ms(candidate(platform("late"), peaked)) == PEAK_SHARE * 9_000.0
    faded = replace(card, peaks=(None, Peak(9_000.0, NOW - 60.0), None))
    assert expected_ms(candidate(platform("late"), faded)) == expected_ms(
        candidate(platform("late"), card)
    )


def test_close_platforms_share_the_traffic_of_one_snapshot() -> None:
    """A hundred replicas with the same scoreboard do not all run to one platform."""
    close = [timed("a", 1_000), timed("b", 1_050), timed("c", 1_100)]
    firsts = Counter(order(Strategy.LATENCY, *close, seed=seed)[0] for seed in range(600))
    assert set(firsts) == {"a", "b", "c"}
    assert firsts["a"] > firsts["b"] > firsts["c"] > 30


def test_balanced_prefers_much_cheaper_over_little_better() -> None:
    """Ten times the price for a tenth more quality is a bad trade."""
    cheap = candidate(platform("cheap", price=CHEAP, quality=0.8))
    fine = candidate(platform("fine", price=DEAR, quality=0.9))
    assert order(Strategy.BALANCED, fine, cheap) == ["cheap", "fine"]


def test_balanced_prefers_much_better_over_little_cheaper() -> None:
    """A tenth off the price is no reason for half the quality."""
    near = Price(Decimal("0.23"), Decimal("1.15"))
    cheap = candidate(platform("cheap", price=near, quality=0.4))
    fine = candidate(platform("fine", price=CHEAP, quality=0.9))
    assert order(Strategy.BALANCED, cheap, fine) == ["fine", "cheap"]


def test_balanced_gives_an_unknown_price_no_credit() -> None:
    """Unknown is not free."""
    unknown, known = candidate(platform("unknown", price=None)), candidate(platform("known"))
    assert order(Strategy.BALANCED, unknown, known) == ["known", "unknown"]


def test_balanced_can_rank_platforms_that_are_all_free_or_all_unknown() -> None:
    """Nothing is divided by nothing."""
    free = Price(Decimal(0), Decimal(0))
    assert order(
        Strategy.BALANCED,
        candidate(platform("a", price=free, quality=0.0)),
        candidate(platform("b", price=free, quality=0.0)),
    ) == ["a", "b"]
    assert order(Strategy.BALANCED, candidate(platform("c", price=None))) == ["c"]


def test_an_operators_weights_decide_what_balanced_means() -> None:
    """With weight on quality alone the dearest best model wins."""
    policy = make_policies(Weights(cost=0, latency=0, quality=1))[Strategy.BALANCED]
    cheap = candidate(platform("cheap", price=CHEAP, quality=0.8))
    fine = candidate(platform("fine", price=DEAR, quality=0.9))
    assert policy([cheap, fine], Random(1)).order[0].platform == "fine"  # noqa: S311


def test_a_generator_made_when_asked_draws_what_one_made_before_does() -> None:
    """A kept decision is taken again by its seed, to the last digit."""
    late, early = Seeded(2**53 - 1), Random(2**53 - 1)  # noqa: S311
    assert [late.random() for _ in range(5)] == [early.random() for _ in range(5)]
