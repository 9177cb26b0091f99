"""A period's report, with sums small enough to be done in the head."""

from dataclasses import replace

import pytest

from routing.errors import RequestError
from routing.period import Period, parse_period
from routing.savings_report import (
    BEST_SINGLE,
    CHEAPEST_EACH,
    CHEAPEST_SINGLE,
    DEFAULT,
    RANDOM,
    Cell,
    Report,
    Sums,
    TargetCell,
    make_report,
)

NOW = 1_767_225_600.0  # 2026-01-01T00:00:00Z


def report(*buckets: Cell, **groups: Cell) -> Report:
    return make_report(buckets, groups, simulated=False, seed=1)


def cell(default: int, actual: int, **targets: TargetCell) -> Cell:
    """One answer that was compared with its default."""
    return Cell(
        answers=1,
        actual=actual,
        compared=1,
        default=Sums(1, default, actual),
        default_targets=frozenset({"a"}),
        cheapest=Sums(1, default // 2, actual),
        random=Sums(1, default * 2, actual),
        targets=targets,
    )


def target(cost: int, actual: int, quality: float = 0.5) -> TargetCell:
    return TargetCell(quality, 1, Sums(1, cost, actual))


def test_what_was_saved_is_the_baseline_less_what_was_spent() -> None:
    found = report(cell(100, 60), cell(200, 90)).baselines
    assert (found[DEFAULT].target, found[DEFAULT].saved, found[DEFAULT].share) == ("a", 150, 0.5)
    assert found[CHEAPEST_EACH].saved == 0
    assert found[RANDOM].saved == 450


def test_a_router_that_costs_more_saves_less_than_nothing() -> None:
    found = report(cell(100, 150)).baselines[DEFAULT]
    assert (found.saved, found.share) == (-50, -0.5)


def test_money_that_failed_counts_against_every_baseline() -> None:
    """A default of 100 for one answer, 60 spent on it and 30 on one that never came."""
    lost = Cell(
        failed=1,
        actual=30,
        compared=1,
        lost=Sums(1, 0, 30),
        default=Sums(1, 0, 30),
        default_targets=frozenset({"a"}),
        cheapest=Sums(1, 0, 30),
        random=Sums(1, 0, 30),
    )
    found = report(cell(100, 60, a=target(100, 60)), lost).baselines
    assert found[DEFAULT].saved == found[BEST_SINGLE].saved == found[CHEAPEST_SINGLE].saved == 10
    assert found[DEFAULT].sums.answers == found[BEST_SINGLE].sums.answers == 2


def test_the_best_single_target_is_the_highest_ranked_and_of_equals_the_cheaper() -> None:
    one = cell(100, 60, a=target(90, 60, 0.8), b=target(70, 60, 0.8), c=target(20, 60, 0.5))
    found = report(one, one).baselines
    assert (found[BEST_SINGLE].target, found[BEST_SINGLE].saved) == ("b", 20)
    assert (found[CHEAPEST_SINGLE].target, found[CHEAPEST_SINGLE].saved) == ("c", -80)


def test_one_target_for_all_is_one_that_could_have_served_nearly_all() -> None:
    """c is cheap and could have taken one of two; with one of a hundred missing it could."""
    with_c = cell(100, 60, a=target(90, 60), c=target(20, 60))
    without = cell(100, 60, a=target(90, 60))
    half = report(with_c, without).baselines[CHEAPEST_SINGLE]
    assert (half.target, half.sums.answers, half.unfit) == ("a", 2, 0)
    nearly = report(*[with_c] * 99, without).baselines[CHEAPEST_SINGLE]
    assert (nearly.target, nearly.sums.answers, nearly.unfit) == ("c", 99, 1)


def test_what_is_unknown_is_left_out_with_a_count_and_is_never_nothing() -> None:
    unknown = Cell(
        answers=1,
        actual=40,
        compared=1,
        default_targets=frozenset({"a"}),
        targets={"a": TargetCell(0.5, 1, Sums())},
    )
    found = report(cell(100, 60, a=target(100, 60)), unknown).baselines
    for name in (DEFAULT, BEST_SINGLE):
        assert (found[name].sums.actual, found[name].saved, found[name].unknown) == (60, 40, 1)
    plain = report(unknown).baselines[DEFAULT].to_json()
    assert plain["usd"] is plain["saved_usd"] is plain["saved_share"] is plain["ci95"] is None


def test_where_the_default_changed_there_is_no_one_name_for_it() -> None:
    other = replace(cell(100, 60), default_targets=frozenset({"b"}))
    assert report(cell(100, 60), other).baselines[DEFAULT].target is None


def test_of_one_group_of_answers_nobody_says_how_sure_it_is() -> None:
    assert report(cell(100, 60)).baselines[DEFAULT].share_interval is None
    assert report(cell(100, 60), cell(100, 60)).baselines[DEFAULT].share_interval == (0.4, 0.4)


def test_a_report_of_nothing_has_no_figures() -> None:
    plain = report().to_json()
    assert (plain["answers"], plain["actual_usd"]) == (0, 0.0)


def test_a_period_is_read_as_people_write_it() -> None:
    day = 86_400.0
    assert parse_period(None, None, NOW) == Period(NOW - 30 * day, NOW)
    assert parse_period("2025-12-31", None, NOW) == Period(NOW - day, NOW)
    assert parse_period(None, "2025-12-31", NOW) == Period(NOW - 31 * day, NOW - day)
    assert parse_period("2025-12-31 12:00", None, NOW).since == NOW - day / 2
    assert parse_period("2025-12-31T12:00:00Z", None, NOW).since == NOW - day / 2
    assert parse_period(None, "1970-01-02", NOW) == Period(0.0, day)
    # As a query without escapes arrives: the plus has become a space.
    assert parse_period("2025-12-31T13:00:00 01:00", None, NOW).since == NOW - day / 2


@pytest.mark.parametrize(
    ("since", "until", "where"),
    [
        ("yesterday", None, "/since"),
        (None, "2026-13-01", "/until"),
        ("", None, "/since"),
        ("\0", None, "/since"),
        ("2026-01-02", "2026-01-01", "/until"),
        ("2026-01-01", "2026-01-01", "/until"),
        (None, "1970-01-01", "/until"),
        ("0001-01-01T00:00:00+14:00", None, "/since"),
        (None, "9999-12-31T23:59:59-14:00", "/until"),
    ],
)
def test_a_period_that_is_none_names_what_is_wrong(
    since: str | None, until: str | None, where: str
) -> None:
    with pytest.raises(RequestError, match="cannot be read") as refused:
        parse_period(since, until, NOW)
    assert refused.value.violations[0].where == where
