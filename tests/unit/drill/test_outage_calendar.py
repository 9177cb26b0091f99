"""A year of two vendors' own outages, replayed through the decision, the executor and the breakers."""

from collections.abc import Sequence
from functools import cache

import pytest

from deployments.drill.replay import Result
from deployments.drill.stage import play
from deployments.drill.traffic import make_latencies
from tests.outages import OutageCalendar, needed, read_calendar
from tests.unit.drill.worlds import every, plan

# A question every two hours, none of them at a full hour, at which people write reports.
EVERY_S = 7_200.0


@cache
def calendar() -> OutageCalendar:
    return read_calendar(needed())


def replayed(*platforms: str) -> Sequence[Result]:
    asked = every(EVERY_S, calendar().seconds, first=EVERY_S / 4)
    latencies = make_latencies(1, platforms)
    return play(plan(asked, *platforms), latencies, calendar().down, "", lambda _: None)


def share(results: Sequence[Result]) -> float:
    return sum(result.by is not None for result in results) / len(results)


def test_the_calendar_is_the_one_that_is_described() -> None:
    """The figures below mean something only for this selection of incidents."""
    hours = {
        names: round(calendar().down_s(*names) / 3_600, 1)
        for names in (("openai",), ("anthropic",), ("openai", "anthropic"))
    }
    assert hours == {("openai",): 131.8, ("anthropic",): 22.4, ("openai", "anthropic"): 0.0}
    assert int(calendar().seconds / 86_400) == 392


def test_one_platform_alone_answers_986_of_1000() -> None:
    """What a company has that bought one platform: the vendor's own downtime, no more and no less."""
    expected = 1 - calendar().down_s("openai") / calendar().seconds
    assert expected == pytest.approx(0.986, abs=0.0001)
    results = replayed("openai")
    assert share(results) == pytest.approx(expected, abs=0.0015)
    assert {result.failed for result in results if result.by is None} == {"no_platform_available"}


def test_two_platforms_answer_9999_of_10000() -> None:
    """No hour was lost in both places: failing over is worth what it costs."""
    results = replayed("openai", "anthropic")
    assert share(results) >= 0.9999
    assert not any(result.cut for result in results)
    assert {result.by for result in results} == {"openai", "anthropic"}
