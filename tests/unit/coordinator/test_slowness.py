"""The scoreboard on silence and slowness: what it keeps for them, and whose probe is whose."""

import json
from dataclasses import replace

import pytest

from actors.coordinator.state import CoordinatorState
from routing.breaker import CONSECUTIVE_FAILURES, BreakerPhase, attempt_key
from routing.errors import ErrorKind
from routing.exchange import Usage
from routing.outcome import Outcome
from routing.override import Override
from routing.silence import SILENCE_ENOUGH
from routing.size import Size
from routing.slowness import ENOUGH
from tests.unit.routing.worlds import NOW
from tests.unit.routing.worlds import outcome as told

TARGET, OTHER = "openai/m", "anthropic/m"


def outcome(
    at: float,
    ms: float = 1_000.0,
    *,
    target: str = TARGET,
    size: Size = Size.MEDIUM,
    error: ErrorKind | None = None,
    answer_id: str = "ans_1",
) -> Outcome:
    return replace(
        told(at=at, latency_ms=ms, error=error, answer_id=answer_id),
        platform=target.partition("/")[0],
        target=target,
        size=size,
        first_byte_ms=ms / 4,
        longest_gap_ms=ms / 10,
        usage=Usage(output_tokens=100),
    )


def used(state: CoordinatorState, target: str = TARGET, at: float = NOW) -> CoordinatorState:
    state.fold([outcome(at + n, target=target) for n in range(ENOUGH)], at + ENOUGH)
    return state


def slowed(state: CoordinatorState, target: str = TARGET, at: float = NOW + 100) -> None:
    for n in range(CONSECUTIVE_FAILURES):
        state.fold([outcome(at + n, 6_000.0, target=target)], at + n)


def test_how_long_it_may_be_silent_is_known_by_size_and_from_enough_answers_on() -> None:
    """A small question tells nothing of a large one, and nineteen answers have no percentile."""
    state = CoordinatorState("us")
    few = [outcome(NOW, size=Size.SMALL) for _ in range(SILENCE_ENOUGH - 1)]
    enough = [outcome(NOW, size=Size.LARGE) for _ in range(SILENCE_ENOUGH)]
    state.fold([*few, *enough], NOW)
    card = state.snapshot(NOW).of(TARGET)
    assert list(card.whole_p99_ms) == [None, None, pytest.approx(1_000, rel=0.03)]
    assert list(card.first_byte_p99_ms) == [None, None, pytest.approx(250, rel=0.03)]
    assert card.gap_p99_ms == pytest.approx(100, rel=0.03)


def test_it_stays_known_while_a_platform_says_nothing_for_an_hour() -> None:
    """Or each probe of a long outage would be as patient as with a stranger; a restart forgets it not."""
    state = used(CoordinatorState("us"))
    known = state.snapshot(NOW + 30).of(TARGET)
    state.fold([outcome(NOW + 3_600, error=ErrorKind.TIMEOUT)], NOW + 3_600)
    later = state.snapshot(NOW + 3_600).of(TARGET)
    assert (later.latency_p95_ms, later.bounds_ms[Size.MEDIUM]) == (None, None)
    assert later.first_byte_p99_ms == known.first_byte_p99_ms
    assert later.whole_p99_ms == known.whole_p99_ms
    kept = json.loads(json.dumps(state.to_checkpoint()))
    again = CoordinatorState.from_checkpoint("us", kept).snapshot(NOW + 3_601).of(TARGET)
    assert again.gap_p99_ms == known.gap_p99_ms


def test_a_slow_target_says_so_and_is_not_kept_away() -> None:
    """Its breaker of health is closed: it answers."""
    state = used(CoordinatorState("us"))
    slowed(state)
    card = state.snapshot(NOW + 110).of(TARGET)
    assert (card.breaker, card.ailment) == (BreakerPhase.CLOSED, None)
    assert card.slow_times == pytest.approx(6.0, rel=0.3)
    assert card.is_slow(NOW + 110)


def test_where_all_others_are_slower_too_nobody_is_slow() -> None:
    """A general slow-down, seen by what every platform takes beside its own usual."""
    state = used(used(CoordinatorState("us")), OTHER)
    for n in range(20):
        at = NOW + 100 + n
        state.fold([outcome(at, 5_000.0, target=OTHER), outcome(at, 6_000.0)], at)
    slow = [t for t in (TARGET, OTHER) if state.snapshot(NOW + 121).of(t).slow_until is not None]
    assert slow == []


def test_only_one_request_probes_a_slow_target() -> None:
    """The others go on to those that are well."""
    state = used(CoordinatorState("us"))
    slowed(state)
    due = NOW + 120
    assert state.snapshot(due).of(TARGET).awaits_probe(due)
    assert state.claim_probe(TARGET, attempt_key("one", 0), due)
    assert not state.claim_probe(TARGET, attempt_key("two", 0), due)
    state.release_probe(TARGET, attempt_key("one", 0), due)
    assert state.claim_probe(TARGET, attempt_key("two", 0), due)


def test_slowness_does_not_hold_up_the_probe_of_its_health() -> None:
    """Each heals by itself."""
    state = used(CoordinatorState("us"))
    for n in range(CONSECUTIVE_FAILURES):
        state.fold([outcome(NOW + 90 + n, error=ErrorKind.CONNECTION)], NOW + 90 + n)
    book = state._books[TARGET]
    book.pace.breaker = replace(book.pace.breaker, phase=BreakerPhase.OPEN, until=NOW + 1e6)
    assert state.claim_probe(TARGET, attempt_key("one", 0), NOW + 120)


def test_a_probe_that_is_quick_again_ends_it() -> None:
    """One answer at the usual pace, sent as the probe."""
    state = used(CoordinatorState("us"))
    slowed(state)
    assert state.claim_probe(TARGET, attempt_key("one", 0), NOW + 120)
    state.fold([outcome(NOW + 121, answer_id="one")], NOW + 121)
    card = state.snapshot(NOW + 122).of(TARGET)
    assert (card.slow_times, card.slow_until) == (None, None)


def test_an_administrator_may_hold_a_slow_target_to_be_well() -> None:
    """As with the other breakers."""
    state = used(CoordinatorState("us"))
    slowed(state)
    state.override(TARGET, Override(BreakerPhase.CLOSED, NOW + 1_000))
    assert state.snapshot(NOW + 110).of(TARGET).slow_until is None


def test_what_a_target_took_lately_is_forgotten_after_a_minute() -> None:
    """But not of one that is slow, of which little is heard."""
    state = used(CoordinatorState("us"))
    assert state.snapshot(NOW + 30).of(TARGET).recent_ms == pytest.approx(1_000)
    assert state.snapshot(NOW + 200).of(TARGET).recent_ms is None
    slowed(state, at=NOW + 300)
    assert (state.snapshot(NOW + 900).of(TARGET).recent_ms or 0.0) > 3_000
