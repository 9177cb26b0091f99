"""Peak-EWMA: up at once, down by time."""

import math

import pytest

from routing.peak import TAU_S, Peak


def test_a_later_answer_than_ever_is_the_mean_at_once() -> None:
    """Peaks are seen with the first of them."""
    assert Peak(100.0, 0.0).seen(900.0, 0.001) == Peak(900.0, 0.001)


def test_a_quick_answer_counts_by_the_time_since_the_last() -> None:
    """Nothing at the same moment, all but e^-1 after the decay time."""
    assert Peak(900.0, 0.0).seen(100.0, 0.0).ms == 900.0
    assert Peak(900.0, 0.0).seen(100.0, TAU_S).ms == pytest.approx(100 + 800 / math.e)


def test_without_answers_it_fades() -> None:
    """And a reading before the last answer, by a clock that is behind, does not raise it."""
    assert Peak(900.0, 50.0).after(50.0 + TAU_S) == pytest.approx(900 / math.e)
    assert Peak(900.0, 50.0).after(40.0) == 900.0


def test_an_answer_reported_late_does_not_turn_time_back() -> None:
    """Replicas report in batches, each in its own order."""
    assert Peak(900.0, 50.0).seen(100.0, 40.0) == Peak(900.0, 50.0)
    assert Peak(900.0, 50.0).seen(950.0, 40.0) == Peak(950.0, 50.0)


def test_it_survives_a_checkpoint_and_refuses_what_is_none() -> None:
    """To the last digit."""
    assert Peak.from_json(Peak(0.1 + 0.2, 50.0).to_json()) == Peak(0.1 + 0.2, 50.0)
    with pytest.raises(ValueError, match="peak"):
        Peak.from_json([-1.0, 0.0])
