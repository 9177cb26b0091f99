"""Regions' figures merge in any order, come back from their text, and hold nothing of anybody."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.coordinator.state import CoordinatorState
from routing.breaker import BreakerPhase
from routing.message import Json
from routing.override import Override
from routing.policy import Strategy
from routing.quantile import LatencySketch
from routing.region import (
    ENOUGH,
    FIGURES_AGE_S,
    Figures,
    RegionFigures,
    TargetFigures,
    elsewhere,
    merge,
)
from routing.scorecard import Snapshot
from tests.unit.routing.worlds import NOW, asked, outcome, platform

OPENAI, ANTHROPIC = platform("openai"), platform("anthropic")


def sketch_of(values_ms: list[float]) -> tuple[tuple[int, int], ...]:
    sketch = LatencySketch()
    for value_ms in values_ms:
        sketch.add(value_ms)
    return tuple(sketch.buckets)


TARGETS = st.builds(
    TargetFigures,
    latencies=st.tuples(*(st.lists(st.floats(1, 1e5), max_size=3).map(sketch_of),) * 3),
)


def figures() -> st.SearchStrategy[Figures]:
    """What somebody knows of up to three regions; versions and moments often the same."""

    def one(region: str) -> st.SearchStrategy[RegionFigures]:
        targets = st.dictionaries(st.sampled_from(["openai/m", "vertex/m"]), TARGETS, max_size=2)
        return st.builds(
            RegionFigures, st.just(region), st.integers(1, 3), st.sampled_from([1.0, 2.0]), targets
        )

    return st.fixed_dictionaries({}, optional={r: one(r) for r in ("us", "eu", "ap")})


@given(figures(), figures())
def test_merging_is_commutative(one: Figures, other: Figures) -> None:
    """Who asked whom first does not matter."""
    assert merge(one, other) == merge(other, one)


@given(figures(), figures(), figures())
def test_merging_is_associative(one: Figures, two: Figures, three: Figures) -> None:
    """By way of a third region is as good as at first hand."""
    assert merge(merge(one, two), three) == merge(one, merge(two, three)) == merge(one, two, three)


@given(figures(), figures())
def test_merging_is_idempotent(one: Figures, other: Figures) -> None:
    """The same figures may come twice, also late; nothing is counted twice."""
    assert merge(one, one) == one
    both = merge(one, other)
    assert merge(both, one) == merge(both, other) == both


@given(figures(), figures())
def test_of_each_region_the_newest_version_wins(one: Figures, other: Figures) -> None:
    """An older picture never replaces a newer one."""
    for region, kept in merge(one, other).items():
        versions = [known[region].version for known in (one, other) if region in known]
        assert kept.version == max(versions)


@given(figures())
def test_figures_come_back_from_their_text(known: Figures) -> None:
    """To the last bucket."""
    for one in known.values():
        assert RegionFigures.from_json(json.loads(json.dumps(one.to_json()))) == one


@given(figures(), st.text(min_size=1))
def test_what_is_not_figures_is_refused(known: Figures, text: str) -> None:
    """A field more might carry anything, so it is not taken."""
    for one in known.values():
        with pytest.raises(ValueError, match="not a region's figures"):
            RegionFigures.from_json({**one.to_json(), "note": text})
    with pytest.raises(ValueError, match="not a region's figures"):
        RegionFigures.from_json(text)


@given(st.lists(st.floats(1, 1e5), min_size=ENOUGH, max_size=60), st.integers(0, 60))
def test_quantiles_of_regions_together_are_those_of_all_their_answers(
    values_ms: list[float], cut: int
) -> None:
    """However the answers fell to the regions."""

    def region(name: str, values: list[float]) -> RegionFigures:
        target = TargetFigures((sketch_of(values), (), ()))
        return RegionFigures(name, 1, NOW, {"openai/m": target})

    split = {"eu": region("eu", values_ms[:cut]), "ap": region("ap", values_ms[cut:])}
    whole = {"eu": region("eu", values_ms)}
    assert elsewhere(split, "us") == elsewhere(whole, "us")
    assert elsewhere(whole, "eu") == {}


def answered(region: str, latency_ms: float, count: int = 2 * ENOUGH) -> CoordinatorState:
    """A region where openai answered so often, in that time."""
    state = CoordinatorState(region)
    told = [
        replace(outcome(at=NOW, latency_ms=latency_ms, answer_id=f"ans_secret_{n}"), tenant="acme")
        for n in range(count)
    ]
    state.fold(told, NOW)
    return state


def heard(state: CoordinatorState, now: float = NOW) -> RegionFigures:
    """Through the text that crosses the border."""
    return RegionFigures.from_json(json.loads(json.dumps(state.figures(now).to_json())))


def openai_ms(board: Snapshot) -> float | None:
    return board.of(OPENAI.target).latency_p95_ms


def test_a_region_that_saw_nothing_decides_on_what_another_saw() -> None:
    """Its configuration believes 1.5 s of both; elsewhere openai took half a second."""
    here = CoordinatorState("us")
    profiles = [ANTHROPIC, OPENAI]
    before = asked(profiles, here.snapshot(NOW), strategy=Strategy.LATENCY)
    assert before.candidates[1].latency_p95_ms == OPENAI.prior_latency_ms
    here.hear_region(heard(answered("eu", 500.0)), NOW)
    board = here.snapshot(NOW + 1)
    assert board.of(OPENAI.target).is_borrowed
    assert openai_ms(board) == pytest.approx(500, rel=0.03)
    for seed in range(20):
        assert asked(profiles, board, strategy=Strategy.LATENCY, seed=seed).chosen == "openai"


def test_what_was_seen_here_is_never_replaced_by_what_was_seen_elsewhere() -> None:
    """Nor are breakers or requests in flight."""
    here = answered("us", 2_000.0, count=1)
    before = here.snapshot(NOW).of(OPENAI.target)
    there = answered("eu", 100.0)
    there.hear("replica", {OPENAI.target: 40}, NOW)
    here.hear_region(heard(there), NOW)
    assert here.snapshot(NOW + 1).of(OPENAI.target) == before
    assert not before.is_borrowed


def test_too_few_answers_elsewhere_say_nothing() -> None:
    """One slow answer over there is no p95."""
    here = CoordinatorState("us")
    here.hear_region(heard(answered("eu", 500.0, count=ENOUGH - 1)), NOW)
    assert openai_ms(here.snapshot(NOW)) is None


def test_stale_figures_age_out_and_then_a_region_that_lost_its_memory_is_heard() -> None:
    """It counts from one again, and would be older than its own past for ever."""
    here, there = CoordinatorState("us"), answered("eu", 500.0)
    old = replace(heard(there), version=900)
    here.hear_region(old, NOW)
    anew = replace(heard(answered("eu", 900.0)), version=1)
    here.hear_region(anew, NOW + 60)
    assert openai_ms(here.snapshot(NOW + 60)) == pytest.approx(500, rel=0.03)
    assert openai_ms(here.snapshot(NOW + FIGURES_AGE_S + 1)) is None
    here.hear_region(anew, NOW + FIGURES_AGE_S + 2)
    assert openai_ms(here.snapshot(NOW + FIGURES_AGE_S + 2)) == pytest.approx(900, rel=0.03)


def test_nothing_personal_crosses_the_border() -> None:
    """No tenant, no id, no reason, no money: the texts are those of regions and targets."""
    state = answered("us", 500.0)
    until = NOW + 60
    state.override("openai", Override(BreakerPhase.OPEN, until, "Ms Smith called", "key:ops"))
    state.hear("replica-7f", {OPENAI.target: 1}, NOW)
    plain = state.figures(NOW).to_json()
    fields = {
        "region", "version", "at", "targets", "latencies", "relative_error", "buckets",
    }  # fmt: skip
    assert set(texts(plain)) == fields | {"us", OPENAI.target}


def texts(plain: Json) -> Iterator[str]:
    match plain:
        case str(text):
            yield text
        case dict():
            for key, value in plain.items():
                yield key
                yield from texts(value)
        case list():
            for value in plain:
                yield from texts(value)
        case _:
            pass
