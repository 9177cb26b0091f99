"""Silence: whom it tells of, how long it is borne, and when a silent platform may be left."""

from dataclasses import replace

import pytest

from routing.capability import Capability
from routing.eligibility import assess
from routing.estimate import TaskFacts
from routing.plan import PlannedAttempt, make_plan
from routing.requirement import Requirements
from routing.scorecard import Scorecard
from routing.silence import (
    MEMORY_S,
    SILENCE_FLOOR_S,
    SILENCE_TIMES,
    TRIALS,
    UNKNOWN,
    Patience,
    SilenceGate,
)
from routing.size import Size
from tests.unit.routing.worlds import FACTS, NOW, platform

STREAMED = replace(FACTS, needs=frozenset({Capability.STREAMING}))
ACTING = replace(FACTS, needs=frozenset({Capability.STREAMING, Capability.FUNCTION_CALLING}))
KNOWN = Scorecard(
    "openai/openai-model",
    first_byte_p99_ms=(None, 1_000.0, 4_000.0),
    whole_p99_ms=(None, 6_000.0, 20_000.0),
    gap_p99_ms=900.0,
)


def planned(
    card: Scorecard = KNOWN, facts: TaskFacts = STREAMED, *others: Scorecard
) -> PlannedAttempt:
    assert FACTS.size is Size.MEDIUM
    ranked = [
        assess(platform(f"platform{i}"), each, Requirements(), facts, NOW)
        for i, each in enumerate((card, *others))
    ]
    return make_plan(ranked, 30.0, 4, facts, NOW).attempts[-1]


def test_a_stream_may_be_silent_for_a_few_times_its_own_slowest_first_words() -> None:
    """And between two words for a few times the longest pause; by its own size of request."""
    assert planned().patience == Patience(SILENCE_TIMES * 1.0, SILENCE_TIMES * 0.9, 1.0)


def test_a_whole_answer_and_one_that_may_call_a_tool_are_waited_for_as_a_whole() -> None:
    """Both are silent until they are there."""
    whole = Patience(SILENCE_TIMES * 6.0, SILENCE_TIMES * 6.0, 6.0)
    assert planned(facts=FACTS).patience == whole
    assert planned(facts=ACTING).patience == whole


def test_the_quickest_platform_may_still_be_silent_for_the_floor() -> None:
    """A lost packet is no stalled platform."""
    quick = replace(KNOWN, first_byte_p99_ms=(None, 80.0, None), gap_p99_ms=5.0)
    assert planned(quick).patience == Patience(SILENCE_FLOOR_S, SILENCE_FLOOR_S, 0.08)


def test_a_stranger_has_no_bound_and_is_well_where_it_is_as_quick_as_the_others() -> None:
    """Nobody knows how long it usually is silent."""
    stranger = Scorecard("stranger/m")
    assert planned(stranger).patience == UNKNOWN
    assert planned(KNOWN, STREAMED, stranger).patience == Patience(well_s=1.0)


def test_a_plan_tells_no_silence_longer_than_the_attempts_share_of_the_deadline() -> None:
    """What ends first ends it."""
    slow = replace(KNOWN, first_byte_p99_ms=(None, 60_000.0, None))
    assert planned(slow).to_json()["silence_s"] == 30.0
    assert planned().to_json()["silence_s"] == 3.0
    assert planned(Scorecard("stranger/m")).to_json()["silence_s"] is None


def test_a_silent_platform_is_left_for_one_that_spoke_meanwhile() -> None:
    """However many calls that takes: it is known to be well."""
    gate = SilenceGate()
    gate.late("a", 13.0)
    gate.spoke("b", 12.0, is_well=True)
    assert all(gate.may_leave(["b"], 10.0, 13.0) for _ in range(50))


def test_where_nobody_spoke_meanwhile_it_is_left_on_trial() -> None:
    """A few at a time, until it is known whether the others are better."""
    gate = SilenceGate()
    gate.late("a", 13.0)
    granted = [gate.may_leave(["b"], 10.0, 13.0) for _ in range(20)]
    assert granted.count(True) == TRIALS
    gate.spoke("b", 13.5, is_well=True)
    assert gate.may_leave(["b"], 10.0, 14.0)


def test_in_a_general_slow_down_nobody_is_left() -> None:
    """Those who were asked on trial were late themselves."""
    gate = SilenceGate()
    gate.late("a", 13.0)
    assert gate.may_leave(["b", "c"], 10.0, 13.0)
    gate.late("b", 16.0)
    gate.spoke("c", 16.0, is_well=False)
    assert not gate.may_leave(["c", "a"], 13.0, 17.0)
    assert not gate.may_leave(["b", "c"], 14.0, 17.0)


def test_what_was_heard_a_minute_ago_is_forgotten() -> None:
    """A slow-down that is over keeps nobody with a platform that stalls after it."""
    gate = SilenceGate()
    gate.late("b", 10.0)
    assert not gate.may_leave(["b"], 5.0, 10.0 + MEMORY_S - 1)
    assert gate.may_leave(["b"], 5.0, 10.0 + MEMORY_S)


def test_trials_of_which_nothing_was_heard_are_over_after_a_minute() -> None:
    """They failed for another reason, and must not forbid all others for ever."""
    gate = SilenceGate()
    for _ in range(TRIALS):
        assert gate.may_leave(["b"], 10.0, 13.0)
    assert not gate.may_leave(["b"], 10.0, 13.0 + MEMORY_S - 1)
    assert gate.may_leave(["b"], 10.0, 13.0 + MEMORY_S)


def test_the_last_platform_is_left_for_nobody() -> None:
    """There is nowhere to go."""
    gate = SilenceGate()
    gate.spoke("b", 12.0, is_well=True)
    assert not gate.may_leave([], 10.0, 13.0)


@pytest.mark.parametrize("is_well", [True, False])
def test_a_word_that_came_before_the_silence_began_is_no_word_of_now(*, is_well: bool) -> None:
    """It was well before the slow-down began, as everybody was."""
    gate = SilenceGate()
    gate.spoke("b", 9.0, is_well=is_well)
    granted = [gate.may_leave(["b"], 10.0, 13.0) for _ in range(20)]
    assert granted.count(True) == (TRIALS if is_well else 0)
