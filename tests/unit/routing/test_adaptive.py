"""adaptive: what is read from a question, what feedback adds, and what is chosen."""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from config.quality import read_quality
from routing.bandit import UNTAUGHT, Bandit, products
from routing.breaker import BreakerPhase
from routing.eligibility import Candidate
from routing.errors import RequestError
from routing.learned import Learned
from routing.policies.adaptive import Adaptive
from routing.policy import Strategy
from routing.quality import CHARS_MAX, CONTEXT, Arm, ArmReading, QualityModel, Reading
from routing.requirement import Requirements
from routing.scorecard import Scorecard
from tests.unit.routing.worlds import CHEAP, DEAR, FACTS, NOW, asked, platform, seen

STRONG = platform("strong", quality=0.9, price=DEAR)
WEAK = platform("weak", quality=0.6, price=CHEAP)
PLAIN = (1.0, *[0.0] * (CONTEXT - 1))
HARD = Reading((ArmReading("small", 0.6, 0.3), ArmReading("large", 0.9, 0.9)), PLAIN)
EASY = Reading((ArmReading("small", 0.6, 0.9), ArmReading("large", 0.9, 0.9)), PLAIN)

TINY = QualityModel(
    "a test",
    (Arm("small", 0.6, (0.0,) * 7), Arm("large", 0.9, (0.0,) * 7)),
    (0.0,) * 7,
    (1.0,) * 7,
    {"refund": (2.0, 0.4, 0.1), "prove": (2.0, -0.6, 0.0)},
)


def first(reading: Reading | None, learned: Learned | None = None, seed: int = 1) -> str:
    snapshot = replace(seen(), learned=learned or Learned())
    facts = replace(FACTS, reading=reading)
    return asked(
        (STRONG, WEAK), snapshot, facts=facts, strategy=Strategy.ADAPTIVE, seed=seed
    ).chosen


def after(*words: tuple[str, float], times: int = 200) -> Learned:
    bandit = Bandit()
    for _ in range(times):
        for target, surplus in words:
            bandit.learn(target, PLAIN, surplus)
    return Learned(bandit.beliefs(), exploration=0.0)


def test_a_hard_question_goes_to_the_strong_model_and_an_easy_one_to_the_cheap() -> None:
    """What the weak model answers as well is not worth the strong one's price."""
    assert first(HARD) == "strong"
    assert first(EASY) == "weak"


def test_without_a_reading_the_operators_figures_stand() -> None:
    assert first(None) == "strong"


def test_feedback_overrules_what_was_predicted() -> None:
    """The strong model turns out to fail our customers, and the weak one to serve them."""
    assert first(HARD, after(("strong/strong-model", -0.5), ("weak/weak-model", 0.3))) == "weak"


def test_no_feedback_means_no_exploration_and_a_propensity_of_one() -> None:
    for seed in range(50):
        assert first(HARD, seed=seed) == "strong"
    decision = asked((STRONG, WEAK), seen(), strategy=Strategy.ADAPTIVE)
    assert decision.propensity == 1.0


def test_terms_of_a_text_are_weighted_by_their_rarity_and_the_texts_length() -> None:
    """One known term makes a vector of length 1, so that its weight counts whole."""
    reading = TINY.read("REFUND")
    assert [(arm.name, round(arm.predicted, 6)) for arm in reading.arms] == [
        ("small", 0.8),
        ("large", 0.95),
    ]


def test_a_text_without_known_terms_promises_the_mean() -> None:
    assert [arm.predicted for arm in TINY.read("zzz").arms] == [0.6, 0.9]


@pytest.mark.parametrize("text", ["", " ", "\x00", "ﷺ" * 50, "$?" * 10_000, "a" * 100_000])
def test_whatever_is_read_is_in_bounds(text: str) -> None:
    """Nobody's text, however strange, puts a figure out of its range."""
    reading = read_quality().read(text)
    assert all(0 <= arm.predicted <= 1 for arm in reading.arms)
    assert len(reading.context) == CONTEXT
    assert all(-1 <= figure <= 1 for figure in reading.context)


def test_what_stands_after_the_first_page_is_not_read() -> None:
    page = "refund " * (CHARS_MAX // 7 + 1)
    assert TINY.read(page + "prove " * 50).arms == TINY.read(page + "other " * 50).arms


def test_a_target_between_two_learned_models_is_lifted_by_both() -> None:
    """Half way in quality, half of each model's lift."""
    assert HARD.tiers().of("other/model", "model", 0.75) == pytest.approx(0.75 + (-0.3 + 0.0) / 2)


def test_a_target_that_was_learned_is_known_by_its_name() -> None:
    assert HARD.tiers().of("openai/small", "small", 0.99) == 0.3


def test_a_target_outside_the_learned_models_is_lifted_by_the_nearest() -> None:
    assert HARD.tiers().of("other/model", "model", 0.5) == pytest.approx(0.2)
    assert HARD.tiers().of("other/model", "model", 0.99) == pytest.approx(0.99)


def test_min_quality_is_held_against_the_lower_bound_and_says_what_would_pass() -> None:
    """The operator gives 0.9; what can be vouched for before any feedback is less."""
    wanted = Requirements(min_quality=0.85)
    with pytest.raises(RequestError) as refused:
        asked((STRONG, WEAK), seen(), wanted, strategy=Strategy.ADAPTIVE)
    assert refused.value.code == "requirements_impossible"
    relaxed = Requirements(min_quality=0.9 - UNTAUGHT.correction(PLAIN, products(PLAIN))[1])
    assert asked((STRONG, WEAK), seen(), relaxed, strategy=Strategy.ADAPTIVE).chosen == "strong"


def test_feedback_makes_a_promise_of_quality_possible() -> None:
    """A thousand good words: the bound comes near the mean."""
    wanted = Requirements(min_quality=0.85)
    snapshot = replace(seen(), learned=after(("strong/strong-model", 0.0), times=1000))
    decision = asked((STRONG, WEAK), snapshot, wanted, strategy=Strategy.ADAPTIVE)
    assert [c.platform for c in decision.candidates if c.is_eligible] == ["strong"]


def test_the_other_strategies_hold_min_quality_against_the_operators_figure() -> None:
    wanted = Requirements(min_quality=0.85)
    assert asked((STRONG, WEAK), seen(), wanted).chosen == "strong"


def test_an_unknown_price_comes_last() -> None:
    unknown = platform("unknown", quality=1.0, price=None)
    decision = asked((unknown, WEAK), seen(), strategy=Strategy.ADAPTIVE)
    assert [attempt.platform for attempt in decision.plan.attempts] == ["weak", "unknown"]


def test_exploring_draws_as_often_as_it_says() -> None:
    """The logged propensity is the share of draws: 20,000 of them, to a hundredth."""
    beliefs = {"strong/strong-model": UNTAUGHT, "weak/weak-model": UNTAUGHT}
    policy = Adaptive(Learned(beliefs, exploration=0.5))
    candidates = [candidate(0.9), candidate(0.88), candidate(0.87)]
    shares = policy.shares(candidates)
    rng = Random(7)  # noqa: S311
    counts = [0, 0, 0]
    for _ in range(20_000):
        ranking = policy(candidates, rng)
        place = next(i for i, c in enumerate(candidates) if c is ranking.order[0])
        assert ranking.propensity == shares[place]
        counts[place] += 1
    assert [count / 20_000 for count in counts] == pytest.approx(shares, abs=0.01)


@pytest.mark.parametrize("wished", ["openai", None])
def test_the_logged_propensity_is_the_share_of_who_came_first_whatever_was_wished(
    wished: str | None,
) -> None:
    """A platform of two models with a fallback; or a fallback alone, where the wished one is out."""
    own = [
        replace(platform("openai", quality=quality), model=model)
        for model, quality in (("big", 0.80), ("small", 0.79))
    ]
    there = [*own, platform("anthropic", quality=0.81), platform("gone", quality=0.9)]
    beliefs = {profile.target: UNTAUGHT for profile in own}
    asleep = Scorecard("gone", breaker=BreakerPhase.OPEN, breaker_until=NOW + 60)
    snapshot = replace(seen(asleep), learned=Learned(beliefs, exploration=0.5))
    fallbacks = ("anthropic",) if wished else ("openai", "anthropic")
    counts: Counter[str] = Counter()
    logged: dict[str, set[float]] = {}
    for seed in range(4_000):
        decision = asked(
            there,
            snapshot,
            strategy=Strategy.ADAPTIVE,
            seed=seed,
            platform=wished or "gone",
            fallback_platforms=fallbacks,
        )
        target = decision.plan.primary.target
        counts[target] += 1
        logged.setdefault(target, set()).add(decision.propensity)
        assert "anthropic" in {attempt.platform for attempt in decision.plan.attempts}
    assert counts.keys() == {"openai/big", "openai/small"}
    for target, count in counts.items():
        [said] = logged[target]
        assert said == pytest.approx(count / 4_000, abs=0.03)


def test_the_logged_propensity_counts_who_stood_back_for_being_slow() -> None:
    """Whoever comes first in the place of a slow one does so as often as both were drawn."""
    there = [
        platform("slow", quality=0.80),
        platform("quick", quality=0.79),
        platform("third", quality=0.79),
    ]
    slow = Scorecard("slow", recent_ms=9_000.0, slow_times=6.0, slow_until=NOW + 9)
    quick = Scorecard("quick", recent_ms=1_000.0, latency_p50_ms=1_000.0)
    leisurely = Scorecard("third", recent_ms=8_000.0, latency_p50_ms=8_000.0)
    beliefs = {profile.target: UNTAUGHT for profile in there}
    snapshot = replace(seen(slow, quick, leisurely), learned=Learned(beliefs, exploration=0.5))
    counts: Counter[str] = Counter()
    logged: dict[str, set[float]] = {}
    for seed in range(4_000):
        decision = asked(there, snapshot, strategy=Strategy.ADAPTIVE, seed=seed)
        counts[decision.chosen] += 1
        logged.setdefault(decision.chosen, set()).add(decision.propensity)
    assert counts.keys() == {"quick", "third"}
    for name, count in counts.items():
        [said] = logged[name]
        assert said == pytest.approx(count / 4_000, abs=0.03)


def candidate(quality: float) -> Candidate:
    profile = platform("p", quality=quality)
    (found,) = asked((profile,), seen()).candidates
    return found
