"""adaptive over random worlds: exact propensities, sound bounds, forgetting, pacing."""

import json
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.bandit import UNTAUGHT, Bandit, products
from routing.eligibility import Candidate
from routing.errors import RequestError
from routing.learned import Learned
from routing.pacer import PRICE_MAX, Pacer
from routing.policies.adaptive import Adaptive
from routing.policy import Strategy
from routing.quality import CONTEXT, ArmReading, Reading
from routing.requirement import Requirements
from tests.unit.routing.worlds import CHEAP, DEAR, FACTS, asked, platform, seen

NAMES = ("a", "b", "c", "d")
busy = settings(deadline=None)
"""A machine that does other things besides proves nothing."""

unit = st.floats(0, 1)
signed = st.floats(-1, 1)
contexts = st.tuples(st.just(1.0), *[signed] * (CONTEXT - 1))
lessons = st.lists(st.tuples(st.sampled_from(NAMES), contexts, signed), max_size=30)


def taught(words: list[tuple[str, tuple[float, ...], float]]) -> Bandit:
    bandit = Bandit()
    for name, context, surplus in words:
        bandit.learn(f"{name}/{name}-model", context, surplus)
    return bandit


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Reading, Learned, list[float]]:
    weak, strong = sorted((draw(unit), draw(unit)))
    arms = (ArmReading("s", weak, draw(unit)), ArmReading("l", strong, draw(unit)))
    learned = Learned(
        taught(draw(lessons)).beliefs(), draw(st.floats(0, 1000)), draw(st.floats(0, 0.5))
    )
    return Reading(arms, draw(contexts)), learned, [draw(unit) for _ in NAMES]


def candidates(world: tuple[Reading, Learned, list[float]]) -> list[Candidate]:
    reading, learned, qualities = world
    profiles = [
        platform(name, quality=q, price=DEAR if i % 2 else CHEAP)
        for i, (name, q) in enumerate(zip(NAMES, qualities, strict=True))
    ]
    snapshot = replace(seen(), learned=learned)
    facts = replace(FACTS, reading=reading)
    return list(asked(profiles, snapshot, facts=facts, strategy=Strategy.ADAPTIVE).candidates)


@busy
@given(worlds())
def test_propensities_are_probabilities_over_all_candidates(
    world: tuple[Reading, Learned, list[float]],
) -> None:
    found = candidates(world)
    shares = Adaptive(world[1]).shares(found)
    assert all(share >= 0 for share in shares)
    assert sum(shares) == pytest.approx(1.0)


@busy
@given(worlds(), st.integers(0, 2**53 - 1))
def test_the_same_seed_chooses_the_same_and_loses_nobody(
    world: tuple[Reading, Learned, list[float]], seed: int
) -> None:
    found, policy = candidates(world), Adaptive(world[1])
    one, two = policy(found, Random(seed)), policy(found, Random(seed))  # noqa: S311
    assert one == two
    assert sorted(c.platform for c in one.order) == list(NAMES)
    assert 0 < one.propensity <= 1


@busy
@given(worlds())
def test_bounds_enclose_the_mean(world: tuple[Reading, Learned, list[float]]) -> None:
    for candidate in candidates(world):
        judged = candidate.judgement
        assert judged is not None
        assert 0 <= judged.lower <= judged.mean <= judged.upper <= 1


@busy
@given(worlds(), unit)
def test_min_quality_admits_nobody_whose_lower_bound_is_below(
    world: tuple[Reading, Learned, list[float]], least: float
) -> None:
    reading, learned, qualities = world
    profiles = [platform(n, quality=q) for n, q in zip(NAMES, qualities, strict=True)]
    try:
        decision = asked(
            profiles,
            replace(seen(), learned=learned),
            Requirements(min_quality=least),
            replace(FACTS, reading=reading),
            strategy=Strategy.ADAPTIVE,
        )
    except RequestError:
        return
    for candidate in decision.candidates:
        assert candidate.judgement is not None
        assert candidate.is_eligible == (candidate.judgement.lower >= least)
    chosen = next(c for c in decision.candidates if c.platform == decision.chosen)
    assert chosen.judgement is not None
    assert chosen.judgement.lower >= least


@busy
@given(worlds())
def test_nothing_taught_leaves_the_prediction_as_it_is(
    world: tuple[Reading, Learned, list[float]],
) -> None:
    untaught = (world[0], replace(world[1], beliefs={}), world[2])
    for candidate in candidates(untaught):
        judged = candidate.judgement
        assert judged is not None
        assert judged.mean == judged.cold


@busy
@given(lessons)
def test_what_was_taught_survives_its_checkpoint(
    words: list[tuple[str, tuple[float, ...], float]],
) -> None:
    bandit = taught(words)
    again = Bandit.from_json(json.loads(json.dumps(bandit.to_json())))
    assert again.beliefs() == bandit.beliefs()


@busy
@given(lessons, contexts)
def test_no_feedback_makes_the_bound_wider_than_none(
    words: list[tuple[str, tuple[float, ...], float]], context: tuple[float, ...]
) -> None:
    widest = UNTAUGHT.correction(context, products(context))[1]
    for belief in taught(words).beliefs().values():
        assert belief.correction(context, products(context))[1] <= widest + 1e-9


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32))
def test_a_model_that_changed_is_believed_anew(seed: int) -> None:
    """1,000 good words, then 1,000 bad ones: the mean has followed to within 0.1."""
    rng, bandit = Random(seed), Bandit()  # noqa: S311
    plain = (1.0, *[0.0] * (CONTEXT - 1))
    for surplus in (0.2, -0.3):
        for _ in range(1000):
            bandit.learn("a/a", plain, surplus + rng.gauss(0, 0.2))
        mean, width = bandit.beliefs()["a/a"].correction(plain, products(plain))
        assert abs(mean - surplus) < 0.1
        assert width < 0.1


def test_who_is_not_asked_any_more_goes_back_to_the_prediction() -> None:
    """4,000 words about another: what was said of this one is worth 0.03 %."""
    bandit, plain = Bandit(), (1.0, *[0.0] * (CONTEXT - 1))
    for _ in range(200):
        bandit.learn("a/a", plain, -0.5)
    for _ in range(4000):
        bandit.learn("b/b", plain, 0.0)
    mean, _ = bandit.beliefs()["a/a"].correction(plain, products(plain))
    assert abs(mean) < 0.01


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.15, 0.85))
def test_the_pacer_keeps_the_mean_cost_within_two_percent(seed: int, share: float) -> None:
    """20,000 questions of random worth, a cheap and a dear target; the money is for a share of them."""
    rng, pacer = Random(seed), Pacer()  # noqa: S311
    cheap_usd, dear_usd = 0.0002, 0.01
    target_usd = cheap_usd + share * (dear_usd - cheap_usd)
    spent = 0.0
    for _ in range(20_000):
        gain = rng.random() * 0.3
        price = pacer.price / target_usd
        cost_usd = dear_usd if gain > price * (dear_usd - cheap_usd) else cheap_usd
        cost_usd *= rng.uniform(0.5, 1.5)
        pacer.fold(cost_usd, target_usd, is_first=True)
        spent += cost_usd
    assert spent / 20_000 == pytest.approx(target_usd, rel=0.02)


@busy
@given(st.lists(st.tuples(st.floats(0, 100), st.booleans()), max_size=200))
def test_whatever_is_spent_the_price_stays_in_bounds(spent: list[tuple[float, bool]]) -> None:
    pacer = Pacer()
    for cost_usd, is_first in spent:
        pacer.fold(cost_usd, 0.01, is_first=is_first)
        assert 0 <= pacer.price <= PRICE_MAX
