"""A catalogue that is changed while plans are carried out: each finds what it was made on."""

import pytest

from routing.catalog import Catalog
from routing.live_catalogs import LiveCatalogs
from tests.unit.routing.worlds import NOW, platform

PLAN_S = 120.0
OLD, NEW = Catalog([platform("openai"), platform("anthropic")]), Catalog([platform("anthropic")])


def test_a_change_holds_from_its_moment_and_what_was_decided_before_it_is_found_again() -> None:
    """Asked about an earlier moment later on, it says what it said then: decisions are kept so."""
    live = LiveCatalogs(OLD, PLAN_S)
    assert live.at(NOW) is OLD
    live.take(NEW, NOW)
    assert live.at(NOW - 0.001) is OLD
    assert live.at(NOW) is NEW
    assert live.at(NOW + 1e9) is NEW


def test_a_target_that_was_taken_away_is_there_as_long_as_a_plan_may_have_it() -> None:
    live = LiveCatalogs(OLD, PLAN_S)
    target = OLD.profiles[0].target
    live.take(NEW, NOW)
    assert live.profile(target, NOW + 1) is OLD.profiles[0]
    live.take(NEW, NOW + PLAN_S - 1)
    assert live.profile(target, NOW + PLAN_S) is OLD.profiles[0]
    live.take(NEW, NOW + PLAN_S + 1)
    with pytest.raises(KeyError):
        live.profile(target, NOW + PLAN_S + 1)


def test_a_target_that_stays_has_its_new_price() -> None:
    live = LiveCatalogs(OLD, PLAN_S)
    changed = Catalog([platform("anthropic", quality=0.1)])
    live.take(changed, NOW)
    assert live.profile(changed.profiles[0].target, NOW) is changed.profiles[0]


def test_a_clock_that_is_put_back_does_not_bring_an_old_catalogue_into_force_for_the_next_change() -> (
    None
):
    """The later change wins, whatever the clock said when it came."""
    live = LiveCatalogs(OLD, PLAN_S)
    live.take(OLD, NOW)
    live.take(NEW, NOW - 3600)
    assert live.at(NOW) is NEW
