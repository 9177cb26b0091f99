"""Slowness: a target that takes several times as long as usual, while others do not, yields to them."""

import json
from dataclasses import replace

import pytest

from routing.breaker import (
    CONSECUTIVE_FAILURES,
    COOL_DOWN_S,
    BreakerPhase,
    attempt_key,
    claim_probe,
)
from routing.decision import Decision
from routing.errors import ErrorKind
from routing.exchange import Usage
from routing.outcome import Outcome
from routing.policy import Strategy
from routing.scorecard import Scorecard
from routing.slowness import ENOUGH, FOR_GOOD_S, SLOW_TIMES, WELL_TIMES, Pace, slow_reasons
from tests.unit.routing.worlds import CHEAP, DEAR, NOW, asked, outcome, platform, seen

USUAL_MS = 1_000.0


def took(ms: float, at: float, *, tokens: int = 100, answer_id: str = "ans_1") -> Outcome:
    told = outcome(at=at, latency_ms=ms, answer_id=answer_id)
    return replace(told, usage=Usage(output_tokens=tokens))


def alone() -> float:
    """Nobody knows of others."""
    return 1.0


def used_to(ms: float = USUAL_MS, *, tokens: int = 100, pace: Pace | None = None) -> Pace:
    found = pace or Pace()
    for n in range(ENOUGH):
        found.fold(took(ms, NOW + n, tokens=tokens), NOW + n, alone)
    return found


def slowed(pace: Pace, at: float = NOW + 100, times: float = 6.0) -> Pace:
    for n in range(CONSECUTIVE_FAILURES):
        pace.fold(took(times * USUAL_MS, at + n), at + n, alone)
    return pace


def is_slow(pace: Pace) -> bool:
    return pace.breaker.phase is not BreakerPhase.CLOSED


def test_a_target_several_times_slower_than_usual_is_slow() -> None:
    """And says how many times."""
    pace = slowed(used_to())
    assert is_slow(pace)
    assert pace.slow_times == pytest.approx(6.0, rel=0.3)


def test_one_slow_answer_or_a_little_slowness_is_none() -> None:
    """A tail is no brown-out, and double the time is a busy day."""
    pace = used_to()
    pace.fold(took(50 * USUAL_MS, NOW + 100), NOW + 100, alone)
    assert not is_slow(pace)
    assert not is_slow(slowed(pace, NOW + 101, times=0.9 * SLOW_TIMES))


def test_a_long_answer_is_not_slow() -> None:
    """It is held against answers of its own length, and of none against none."""
    pace = used_to(10 * USUAL_MS, tokens=1_000, pace=used_to())
    for n in range(20):
        pace.fold(took(10 * USUAL_MS, NOW + 100 + n, tokens=1_000), NOW + 100 + n, alone)
        pace.fold(took(50 * USUAL_MS, NOW + 100 + n, tokens=4_000), NOW + 100 + n, alone)
    assert not is_slow(pace)


def test_a_stranger_is_not_slow_however_long_it_takes() -> None:
    """Nothing is usual about it yet."""
    assert not is_slow(slowed(Pace(), times=60.0))


def test_in_a_general_slow_down_nobody_is_slow() -> None:
    """The best of the others takes as many times its own usual."""
    pace = used_to()
    for n in range(30):
        pace.fold(took(6 * USUAL_MS, NOW + 100 + n), NOW + 100 + n, lambda: 5.0)
    assert not is_slow(pace)


def test_a_probe_that_is_well_ends_it_and_one_that_is_nearly_well_does_not() -> None:
    """What ends it is quicker than what began it, or it would flap."""
    pace = slowed(used_to())
    for times, ends in ((0.5 * (SLOW_TIMES + WELL_TIMES), False), (0.9 * WELL_TIMES, True)):
        at = pace.breaker.until + 1
        claimed = claim_probe(pace.breaker, attempt_key("probe", 0), at)
        assert claimed is not None
        pace.breaker = claimed
        pace.fold(took(times * USUAL_MS, at + 5, answer_id="probe"), at + 5, alone)
        assert is_slow(pace) is not ends


def test_a_probe_that_times_out_waits_longer_for_the_next() -> None:
    """Silence is no speed."""
    pace = slowed(used_to())
    at = pace.breaker.until
    pace.fold(outcome(at=at + 3, error=ErrorKind.TIMEOUT, latency_ms=3_000), at + 3, alone)
    assert pace.breaker.until == at + 3 + 2 * COOL_DOWN_S


def test_failures_say_nothing_about_speed() -> None:
    """They are the health's."""
    pace = used_to()
    for n in range(20):
        failed = outcome(at=NOW + 100 + n, error=ErrorKind.TIMEOUT, latency_ms=30_000)
        pace.fold(failed, NOW + 100 + n, alone)
        left = outcome(at=NOW + 100 + n, abandoned=True, latency_ms=30_000)
        pace.fold(left, NOW + 100 + n, alone)
    assert not is_slow(pace)


def test_what_has_been_slow_for_an_hour_is_usual() -> None:
    """A model that was replaced by a slower one is not passed over for ever."""
    pace = slowed(used_to())
    since = NOW + 104
    pace.fold(took(6 * USUAL_MS, since + FOR_GOOD_S - 1), since + FOR_GOOD_S - 1, alone)
    assert is_slow(pace)
    pace.fold(took(6 * USUAL_MS, since + FOR_GOOD_S), since + FOR_GOOD_S, alone)
    assert not is_slow(pace)
    assert not is_slow(slowed(pace, since + FOR_GOOD_S + 100))


def test_a_pace_survives_a_checkpoint() -> None:
    """What is usual took hours to learn."""
    pace = slowed(used_to())
    again = Pace.from_json(json.loads(json.dumps(pace.to_json())), pace.breaker)
    assert again.to_json() == pace.to_json()
    assert again.slow_times == pace.slow_times
    with pytest.raises(ValueError, match="pace"):
        Pace.from_json({}, pace.breaker)


SLOW = Scorecard(
    "cheap",
    latency_p50_ms=2_000.0,
    latency_p95_ms=9_000.0,
    recent_ms=6_000.0,
    slow_times=6.0,
    slow_until=NOW + 7.0,
)
WELL = Scorecard("dear", latency_p50_ms=1_500.0, latency_p95_ms=3_000.0, recent_ms=1_500.0)


def decided(
    *cards: Scorecard,
    strategy: Strategy = Strategy.COST_OPTIMIZED,
    fixed: str | None = None,
    now: float = NOW,
) -> Decision:
    profiles = [
        platform("cheap", price=CHEAP, quality=0.5),
        platform("dear", price=DEAR, quality=0.5),
    ]
    return asked(profiles, seen(*cards), strategy=strategy, platform=fixed, now=now)


@pytest.mark.parametrize("strategy", list(Strategy))
def test_whatever_the_strategy_a_slow_platform_comes_after_one_that_is_well(
    strategy: Strategy,
) -> None:
    """Even the cheapest, and even of the same quality; it stays the fallback."""
    order = [attempt.platform for attempt in decided(SLOW, WELL, strategy=strategy).plan.attempts]
    assert order == ["dear", "cheap"]


def test_it_says_why_in_the_decision() -> None:
    """It may be asked, and stands behind."""
    slow, well = decided(SLOW, WELL).candidates
    [reason] = slow_reasons(slow, NOW)
    assert (slow.is_eligible, reason.code) == (True, "slower_than_usual")
    assert "6.0 times" in reason.detail
    assert "7.0 s" in reason.detail
    assert slow_reasons(well, NOW) == ()
    assert json.dumps(reason.to_json()) in json.dumps(decided(SLOW, WELL).to_json())


def test_nobody_yields_to_one_that_is_not_much_faster() -> None:
    """Then leaving costs money for nothing, as in a general slow-down."""
    as_slow = replace(WELL, recent_ms=4_000.0)
    assert decided(SLOW, as_slow).chosen == "cheap"


def test_the_last_answers_of_one_that_is_well_may_be_the_quick_ones_of_a_moment() -> None:
    """It is taken by the worse of its last answers and those of minutes."""
    assert decided(SLOW, replace(WELL, latency_p50_ms=5_000.0)).chosen == "cheap"


def test_nobody_yields_to_another_that_is_slow() -> None:
    """Both are, so the cheaper one is asked."""
    also = replace(WELL, slow_times=4.0, slow_until=NOW + 1)
    assert decided(SLOW, also).chosen == "cheap"


def test_where_quality_is_asked_for_it_yields_to_nobody_worse() -> None:
    """Who asks for the best waits for it."""
    profiles = [platform("cheap", quality=0.9), platform("dear", quality=0.8)]
    decision = asked(profiles, seen(SLOW, WELL), strategy=Strategy.CAPABILITY)
    assert decision.chosen == "cheap"


def test_a_caller_who_names_a_platform_gets_it() -> None:
    """Their word is above our guess."""
    assert decided(SLOW, WELL, fixed="cheap").chosen == "cheap"


def test_when_its_probe_is_due_it_is_asked_as_a_probe() -> None:
    """One request finds out, and the others go on without it."""
    due = decided(SLOW, WELL, now=NOW + 7.0)
    assert (due.chosen, due.plan.primary.is_probe) == ("cheap", True)
