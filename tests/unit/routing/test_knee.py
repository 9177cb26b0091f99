"""How many at once is learnt from how slow they are; who is full gives way to who has room."""

import json
from dataclasses import replace
from random import Random

import pytest

from actors.coordinator.state import CoordinatorState
from routing.bandit import Bandit
from routing.knee import CROWDED_TIMES, GROWTH, LEAST, ROOMY_TIMES, START, Knee, give_way
from routing.learned import Learned
from routing.outcome import Outcome
from routing.platform_profile import PlatformProfile
from routing.policies import POLICIES
from routing.policy import Strategy
from routing.quality import CONTEXT
from routing.scorecard import Scorecard, Snapshot
from routing.slowness import Pace
from tests.unit.routing.worlds import CHEAP, DEAR, NOW, asked, outcome, platform, seen

BEST = platform("openai", price=CHEAP, quality=0.9)
NEXT = platform("anthropic", price=DEAR, quality=0.5)


def busy(
    name: str, in_flight: int, knee: float | None = None, recent_ms: float | None = None
) -> Scorecard:
    return Scorecard(name, 500.0, 900.0, in_flight=in_flight, knee=knee, recent_ms=recent_ms)


def after(
    times: float,
    in_flight: int,
    *,
    answers: int = 10,
    knee: Knee | None = None,
    at: float = NOW,
    general: float = 1.0,
) -> Knee:
    """A knee that saw answers take so many times the idle time with so many in flight, in one second."""
    knee = knee or Knee()
    for n in range(answers):
        knee.fold(times, at + n / answers, in_flight, at + n / answers, lambda: general)
    return knee


def test_full_is_who_works_on_as_many_as_made_nobody_slower() -> None:
    """Sixty in flight that take three times as long: twenty are served at once."""
    assert after(3.0, 60).at == pytest.approx(20)
    assert after(3.0, 60, answers=9).at == START


def test_few_that_are_slow_are_no_crowd() -> None:
    """That is a brown-out, which is another's to tell."""
    assert after(10.0, 3).at == START
    assert after(10.0, 5).at == LEAST


def test_who_takes_all_it_is_given_is_given_a_quarter_more() -> None:
    """And who was never given as much is not: nobody tried whether it takes more."""
    assert after(ROOMY_TIMES - 0.01, int(START)).at == START * GROWTH
    assert after(1.0, int(START) - 2).at == START
    assert after((ROOMY_TIMES + CROWDED_TIMES) / 2, int(START)).at == START


def test_answers_sent_before_the_knee_was_moved_say_nothing_about_it() -> None:
    """They waited in the old crowd."""
    knee = after(3.0, 60)
    for _ in range(50):
        knee.fold(3.0, NOW - 1, 60, NOW + 5, lambda: 1.0)
    assert knee.at == pytest.approx(20)


def test_what_befalls_all_is_nobodys_crowd() -> None:
    """Where all are six times slower, as many requests a second are six times as many at once."""
    knee = after(6.0, 60, general=6.0)
    assert knee.at == START
    assert knee.given(60, lambda: 6.0) == 6 * START
    assert knee.given(10, lambda: 6.0) == START


@pytest.mark.parametrize("strategy", [s for s in Strategy if s is not Strategy.LATENCY])
def test_the_favourite_is_asked_until_it_is_full(strategy: Strategy) -> None:
    """Under every strategy that does not weigh the load alone."""

    def chosen(board: Snapshot) -> str:
        return asked((BEST, NEXT), board, strategy=strategy).chosen

    assert chosen(seen(busy("openai", 19, 20.0), busy("anthropic", 3))) == "openai"
    assert chosen(seen(busy("openai", 20, 20.0), busy("anthropic", 3))) == "anthropic"
    # One's own requests of this moment count: a burst falls between two boards.
    board = seen(busy("openai", 19, 20.0), busy("anthropic", 3))
    assert chosen(replace(board, own={"openai/openai-model": 1})) == "anthropic"


def test_where_all_are_full_the_least_crowded_is_asked() -> None:
    board = seen(busy("openai", 30, 20.0), busy("anthropic", 31, 20.0))
    assert asked((BEST, NEXT), board).chosen == "openai"
    board = seen(busy("openai", 31, 20.0), busy("anthropic", 30, 20.0))
    assert asked((BEST, NEXT), board).chosen == "anthropic"


def test_of_whom_nothing_is_known_is_not_given_everything_at_once() -> None:
    """Answers take seconds to come, and until the first of them hundreds may be sent."""
    unknown = replace(Snapshot.empty("us"), own={"openai/openai-model": int(START)})
    assert asked((BEST, NEXT), unknown).chosen == "anthropic"


def test_a_few_in_flight_yield_only_to_who_is_faster_as_things_are() -> None:
    """Nine that take nine seconds each may be a crowd, or a bad day of everybody's."""
    few = busy("openai", 9, 4.0, 9_000.0)
    for others_ms, chosen in ((9_000.0, "openai"), (6_500.0, "openai"), (5_500.0, "anthropic")):
        assert (
            asked((BEST, NEXT), seen(few, busy("anthropic", 1, None, others_ms))).chosen == chosen
        )
    assert asked((BEST, NEXT), seen(few)).chosen == "anthropic", "a stranger is tried"


def test_limits_and_wishes_hold_however_full_it_is() -> None:
    """Nobody is sent elsewhere than where he asked to go."""
    board = seen(busy("openai", 500, 20.0), busy("anthropic", 0))
    assert asked((BEST, NEXT), board, platform="openai").chosen == "openai"
    wish = asked((BEST, NEXT), board, platform="openai", fallback_platforms=("anthropic",))
    assert [attempt.platform for attempt in wish.plan.attempts] == ["openai", "anthropic"]


def test_a_reason_says_so() -> None:
    """To whoever asks why the cheapest was not taken."""
    decision = asked((BEST, NEXT), seen(busy("openai", 20, 20.0)))
    shown = decision.to_json()["candidates"]
    assert isinstance(shown, list)
    first = shown[0]
    assert isinstance(first, dict)
    assert first["eligible"] is True
    assert "works on 20 requests and is given 20 at once" in str(first["reasons"])
    assert "at once" not in str(shown[1])


def test_latency_weighs_the_load_itself() -> None:
    candidates = asked((BEST, NEXT), seen(busy("openai", 20, 20.0))).candidates
    order = POLICIES[Strategy.LATENCY](candidates, Random(1)).order  # noqa: S311
    assert give_way(order, Strategy.LATENCY) is order


def test_the_logged_propensity_is_that_of_coming_first_after_all() -> None:
    """Of exploring too: the full one is drawn, and another one answers."""
    bandit = Bandit()
    bandit.learn("openai/openai-model", (1.0, *[0.0] * (CONTEXT - 1)), 0.0)
    full = seen(busy("openai", 20, 20.0))
    board = replace(full, learned=Learned(bandit.beliefs(), 0.0, 0.5))
    for seed in range(20):
        decision = asked((BEST, NEXT), board, strategy=Strategy.ADAPTIVE, seed=seed)
        assert decision.chosen == "anthropic"
        assert decision.propensity == pytest.approx(1.0)


def test_a_crowd_that_grows_slowly_is_not_what_is_idle() -> None:
    """Slower by a twentieth of a per cent with each answer, for ten minutes."""
    pace, latency_ms = Pace(), 100.0

    def answer(at: float) -> Outcome:
        told = outcome(at=at, latency_ms=latency_ms)
        pace.fold(told, at, lambda: 1.0)
        return told

    for n in range(200):
        answer(NOW + n / 10)
    for n in range(3_000):
        latency_ms *= 1.0005
        answer(NOW + 20 + n / 5)
    times = pace.times_idle(answer(NOW + 620))
    assert times is not None
    assert times > 4.0  # of 4.5


def crowd(state: CoordinatorState, vendor: PlatformProfile, at: float) -> None:
    """Answers of a second each until that is known, then ten of three seconds with sixty in flight."""
    told = replace(outcome(at=at, latency_ms=1_000.0), target=vendor.target)
    state.fold([told] * 29, at)
    state.hear("replica", {vendor.target: 60}, at)
    state.fold([replace(told, at=at + 5, latency_ms=3_000.0)] * 10, at + 5)


def test_the_coordinator_tells_how_many_are_served_at_once_and_keeps_it() -> None:
    """It goes by what all replicas have under way; a restart forgets it not."""
    state = CoordinatorState("us")
    crowd(state, BEST, NOW)
    assert state.snapshot(NOW + 5).of(BEST.target).knee == pytest.approx(20, rel=0.01)
    kept = json.loads(json.dumps(state.to_checkpoint()))
    again = CoordinatorState.from_checkpoint("us", kept).snapshot(NOW + 6)
    assert again.of(BEST.target).knee == pytest.approx(20, rel=0.01)
