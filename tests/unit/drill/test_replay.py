"""The drill: its platforms fail as they are told, and what it reports is what happened."""

from collections.abc import Mapping, Sequence

import pytest

from deployments.drill.replay import Result
from deployments.drill.report import figures
from deployments.drill.scenario import shipped
from tests.unit.drill.worlds import every, plan, played

A, B = "openai", "anthropic"
# Ten questions a fault, two seconds apart; an answer takes 1.5 s, so they never overlap.
ASKED = every(2.0, 20.0)
KINDS: Mapping[str, Mapping[str, object]] = {
    "connection": {"kind": "down"},
    "overloaded": {"kind": "errors"},
    "rate_limited": {"kind": "rate_limited", "retry_after_s": 1},
    "quota_exhausted": {"kind": "out_of_credit"},
    "stream_truncated": {"kind": "cut"},
    "timeout": {"kind": "stall"},
    "bad_reply": {"kind": "malformed"},
}


def fault(
    more: Mapping[str, object], who: str = A, start: float = 0.0, end: float = 20.0
) -> dict[str, object]:
    return {"who": who, "from": start, "to": end, **more}


@pytest.mark.parametrize("streams", [False, True], ids=["json", "stream"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_of_one_is_answered_by_the_other(kind: str, *, streams: bool) -> None:
    """Every shape of failure reaches the second platform under its own name."""
    found = figures(played(plan(ASKED, A, B, streams=streams), fault(KINDS[kind])))
    assert found.by == {B: 10}
    assert f"{A}: {kind}" in found.attempts_failed
    assert found.cut == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_fault_of_everyone_is_an_explicit_error(kind: str) -> None:
    """Nobody answered, and nobody was told so."""
    found = figures(played(plan(ASKED, A, B), fault(KINDS[kind], "everyone", end=900.0)))
    assert (found.answered, sum(found.failed.values())) == (0, 10)


def test_a_stream_cut_in_mid_sentence_is_gone_on_with() -> None:
    """The text is whole although two platforms said it, the breaker spares those that follow."""
    found = figures(played(plan(ASKED, A, B, streams=True), fault({"kind": "cut", "after": 0.5})))
    assert (found.answered, found.cut) == (10, 0)
    assert 1 <= found.resumed <= 5


def test_the_rest_of_a_long_answer_is_not_cut_by_what_is_left_of_its_limit() -> None:
    """What was said counts against the tokens, so the second half has its own and no fewer."""
    asked = every(20.0, 20.0, tokens=799)
    [result] = played(plan(asked, A, B, streams=True), fault({"kind": "cut", "after": 0.9}))
    assert (result.by, result.resumed, result.cut) == (B, 1, False)


@pytest.mark.parametrize("tokens", range(1, 60))
def test_wherever_an_answer_is_cut_its_halves_fit(tokens: int) -> None:
    """Otherwise the drill would blame the product for its own words."""
    asked = every(20.0, 20.0, tokens=tokens)
    [result] = played(plan(asked, A, B, streams=True), fault({"kind": "cut", "after": 0.15}))
    assert (result.by, result.cut) == (B, False)


def test_an_answer_under_way_breaks_off_when_its_platform_goes_down() -> None:
    """The question was asked in a good second, and the bad one met it in the middle of the text."""
    asked = every(20.0, 20.0, first=0.0, tokens=100)
    [result] = played(plan(asked, A, B, streams=True), fault({"kind": "down"}, start=1.0))
    assert (result.by, result.resumed, result.cut) == (B, 1, False)
    assert result.spoiled == ((A, "connection"),)


def test_a_platform_in_trouble_is_left_alone_and_comes_back_when_it_is_well() -> None:
    """A handful of calls pay for the outage, and soon after it the platform has its work again."""
    results = played(plan(every(1.0, 300.0), A, B), fault({"kind": "down"}, start=60.0, end=120.5))
    failed = [r.second for r in results if r.spoiled]
    assert 1 <= len(failed) <= 8
    # The one asked a second before was under way.
    assert all(59 <= second < 122 for second in failed)
    assert {r.by for r in results if r.second < 59} == {A}
    assert {r.by for r in results if r.second > 250} == {A}


def test_a_slow_platform_is_slow_by_as_much_as_was_said() -> None:
    """Three times the half second to the first byte and the ten milliseconds a token."""
    asked = every(20.0, 20.0)
    [well] = played(plan(asked, A))
    [slow] = played(plan(asked, A), fault({"kind": "slow", "times": 3.0}))
    assert well.latency_s == pytest.approx(1.5, abs=0.02)
    assert slow.latency_s == pytest.approx(3 * well.latency_s, abs=0.02)


DRILLED = every(1.0, 400.0)


def p95_s(results: Sequence[Result]) -> float:
    return sorted(result.latency_s for result in results)[int(0.95 * len(results))]


@pytest.mark.parametrize("after", [0.0, 0.5], ids=["at once", "half-way"])
def test_a_platform_that_falls_silent_costs_its_callers_seconds_not_its_share(after: float) -> None:
    """Three minutes of silence; before its patience was bounded the p95 was 22 s and more."""
    silent = fault({"kind": "stall", "after": after}, start=100.0, end=280.0)
    found = played(plan(DRILLED, A, B, streams=True), silent)
    assert all(result.by is not None and not result.cut for result in found)
    assert p95_s(found) < 5.0


def test_even_the_cheapest_is_left_while_it_is_six_times_slower() -> None:
    """And it has its work again when it is well, after its breaker's longest pause of two minutes."""
    slow = fault({"kind": "slow", "times": 6.0}, start=100.0, end=280.0)
    found = played(plan(every(1.0, 480.0), A, B, streams=True), slow)
    during = [result.by for result in found if 120 <= result.second < 280]
    assert during.count(A) <= 12
    assert {result.by for result in found if result.second > 479 - 60} == {A}


def test_in_a_general_slow_down_nobody_is_left_for_long() -> None:
    """Six times slower, all of them: a stranger is tried until its first answers are there."""
    slow = fault({"kind": "slow", "times": 6.0}, "everyone", start=100.0, end=280.0)
    found = played(plan(DRILLED, A, B, streams=True), slow)
    assert [result.by for result in found].count(A) >= 0.9 * len(found)
    assert sum(len(result.spoiled) for result in found) <= 3


def test_half_of_the_calls_fail_where_half_are_to_fail() -> None:
    """A share is a share of the calls, by a chance that the seed fixes."""
    asked = every(2.0, 800.0)
    # Alone, so that every question is asked of it; a second try often helps.
    found = figures(played(plan(asked, A), fault({"kind": "errors", "share": 0.5}, end=800.0)))
    assert found.attempts_failed[f"{A}: overloaded"] > 100
    assert 0.5 < found.share < 0.9


def test_the_same_seed_plays_the_same_drill_and_another_seed_another() -> None:
    """A drill can be argued about: it is the same tomorrow."""
    asked = every(0.5, 100.0)
    half = fault({"kind": "errors", "share": 0.5}, end=100.0)
    first = figures(played(plan(asked, A, B, seed=1), half)).to_json()
    assert figures(played(plan(asked, A, B, seed=1), half)).to_json() == first
    assert figures(played(plan(asked, A, B, seed=2), half)).to_json() != first


def test_every_shipped_scenario_can_be_read_and_says_what_it_is() -> None:
    """A name alone tells nobody what will be broken."""
    found = dict(shipped())
    assert len(found) >= 12
    for name, scenario in found.items():
        assert scenario.summary, name
        assert scenario.faults, name
