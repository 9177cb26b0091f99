"""Intervals: as wide as the data says, the same for the same seed, and none of one group."""

from random import Random
from statistics import NormalDist, fmean, stdev

from routing.bootstrap import DRAWS, drawn_sums, middle


def test_one_group_says_nothing_of_how_much_it_varies() -> None:
    assert drawn_sums([{"a": (1, 2)}], seed=1) == {}


def test_the_same_seed_draws_the_same_and_another_draws_otherwise() -> None:
    groups = [{"a": (n, 1)} for n in range(20)]
    assert drawn_sums(groups, seed=1) == drawn_sums(groups, seed=1) != drawn_sums(groups, seed=2)


def test_groups_that_are_all_alike_leave_no_doubt() -> None:
    (ends,) = {middle(sorted(drawn_sums([{"a": (3, 1)}] * 5, 1)["a"]))}
    assert ends == ((15, 5), (15, 5))


def test_the_middle_is_ninety_five_of_a_hundred() -> None:
    low, high = middle(range(DRAWS))
    assert (low, high) == (25, 974)


def test_an_interval_is_as_wide_as_theory_has_it() -> None:
    """200 groups: the sum's standard error is that of one group times the root of 200."""
    chance = Random(7)  # noqa: S311
    figures = [round(chance.gauss(1000, 300)) for _ in range(200)]
    drawn = drawn_sums([{"a": (figure, 0)} for figure in figures], seed=1)["a"]
    low, high = middle(sorted(first for first, _ in drawn))
    half = NormalDist().inv_cdf(0.975) * stdev(figures) * 200**0.5
    centre = 200 * fmean(figures)
    assert abs((high - low) / 2 / half - 1) < 0.1
    assert abs((high + low) / 2 - centre) < half / 5
