"""A minute's allowance as the simulators tell it: it counts down and is whole again."""

from datetime import UTC, datetime, timedelta

import pytest

from deployments.platforms.rate_limits import seconds_of
from deployments.simulators.allowance import Allowances, spoken_duration

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
LIMITS = {"requests": 10, "tokens": 1_000}


def test_every_request_takes_from_the_minute_that_the_first_one_began() -> None:
    allowances = Allowances()
    first = allowances.take("openai", LIMITS, {"requests": 1, "tokens": 300}, NOON)
    later = NOON + timedelta(seconds=20)
    second = allowances.take("openai", LIMITS, {"requests": 1, "tokens": 300}, later)
    assert (first.units, first.resets_in_s) == ({"requests": 9, "tokens": 700}, 60)
    assert (second.units, second.resets_in_s) == ({"requests": 8, "tokens": 400}, 40)


def test_after_the_minute_all_of_it_is_there_again() -> None:
    allowances = Allowances()
    allowances.take("openai", LIMITS, {"requests": 9}, NOON)
    left = allowances.take("openai", LIMITS, {"requests": 1}, NOON + timedelta(minutes=1))
    assert left.units == {"requests": 9, "tokens": 1_000}


def test_platforms_have_minutes_of_their_own_and_nobody_falls_below_zero() -> None:
    allowances = Allowances()
    spent = allowances.take("openai", LIMITS, {"requests": 99}, NOON)
    other = allowances.take("azure", LIMITS, {"requests": 1}, NOON)
    assert (spent.units["requests"], other.units["requests"]) == (0, 9)


def test_who_is_told_to_come_back_later_has_nothing_left_until_then() -> None:
    left = Allowances().take("openai", LIMITS, {"requests": 1}, NOON, retry_after_s=3.0)
    assert (left.units, left.resets_in_s) == ({"requests": 0, "tokens": 0}, 3.0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.85, "850ms"), (1.0, "1s"), (59.25, "59.25s"), (60.0, "1m0s"), (360.5, "6m0.5s")],
)
def test_a_duration_is_spoken_as_openai_speaks_and_our_reader_understands_it(
    seconds: float, text: str
) -> None:
    assert spoken_duration(seconds) == text
    assert seconds_of(text) == pytest.approx(seconds)
