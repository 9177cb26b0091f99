"""Prices change at midnight UTC, and bounds hold on both sides of it."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

from routing.catalog import Catalog
from routing.exchange import Usage
from routing.money import Price, Tier, price_table_hash
from routing.price_calendar import CLOCKS_APART_S, PriceCalendar
from tests.unit.routing.worlds import CHEAP, DEAR, platform

MIDNIGHT = datetime(2026, 12, 1, tzinfo=UTC).timestamp()
HORIZON_S = 120.0
EVE = MIDNIGHT - HORIZON_S - CLOCKS_APART_S
USAGE = Usage(input_tokens=1_000, output_tokens=100)


def catalog(price: Price | None) -> Catalog:
    return Catalog([platform("openai", price=price), platform("anthropic", price=CHEAP)])


def calendar(before: Price | None, after: Price | None) -> PriceCalendar:
    return PriceCalendar(catalog(before), [(MIDNIGHT, catalog(after))], HORIZON_S)


def price_at(calendar: PriceCalendar, now: float) -> Price | None:
    return calendar.at(now).by_target["openai/openai-model"].price


def hash_of(catalog: Catalog) -> str:
    return price_table_hash({p.target: p.price for p in catalog.profiles})


def test_the_new_price_holds_from_the_first_moment_of_its_day() -> None:
    both = calendar(CHEAP, DEAR)
    assert price_at(both, MIDNIGHT) == DEAR
    assert price_at(both, MIDNIGHT + 400 * 86_400) == DEAR
    assert price_at(both, EVE - 0.001) == CHEAP
    assert hash_of(both.at(MIDNIGHT)) == hash_of(catalog(DEAR))
    assert hash_of(both.at(EVE - 0.001)) == hash_of(catalog(CHEAP))


def test_what_a_call_before_the_change_cost_is_reckoned_with_the_old_price() -> None:
    """Whatever the bound was: the ledger is no place for caution."""
    covered = price_at(calendar(CHEAP, DEAR), MIDNIGHT - 0.001)
    assert covered is not None
    assert covered.cost(USAGE) == CHEAP.cost(USAGE)
    assert covered.expected(1_000, 100) == CHEAP.expected(1_000, 100)


def test_a_request_that_may_last_into_the_new_day_is_bounded_by_the_dearer_price() -> None:
    """Whichever of the two that is."""
    for before, after in ((CHEAP, DEAR), (DEAR, CHEAP)):
        covered = price_at(calendar(before, after), EVE)
        assert covered is not None
        assert covered.bound(1_000, 100) == DEAR.bound(1_000, 100)
        assert not covered.surely_within(1_000, 100, float(DEAR.bound(1_000, 100)) * 0.99)


def test_every_tier_of_the_price_to_come_counts_for_the_bound() -> None:
    """A long request under the new list is dearer yet, and a priority one."""
    longer = Tier(Decimal(10), Decimal(50), above_input_tokens=200_000)
    priority = Tier(Decimal(20), Decimal(90), service_tier="priority")
    after = replace(DEAR, tiers=(longer, priority))
    covered = price_at(calendar(CHEAP, after), EVE)
    assert covered is not None
    for tokens in (1_000, 200_001):
        assert covered.bound(tokens, 100) == after.bound(tokens, 100)


def test_a_target_whose_price_stays_is_not_touched() -> None:
    both = calendar(CHEAP, DEAR)
    target = "anthropic/anthropic-model"
    for now in (EVE - 1, EVE, MIDNIGHT):
        assert both.at(now).by_target[target].price == CHEAP


def test_what_cannot_be_bounded_into_the_new_day_is_unknown() -> None:
    """A price that ends is not the old one until further notice."""
    for after in (None, replace(CHEAP, per_call=Decimal(1))):
        assert price_at(calendar(CHEAP, after), EVE) is None
    assert price_at(calendar(None, CHEAP), MIDNIGHT - 0.001) is None
    assert price_at(calendar(None, CHEAP), MIDNIGHT) == CHEAP


def test_changes_closer_than_a_request_is_long_all_count() -> None:
    """Three prices within one request: the bound is the dearest one's, until it is past."""
    steps = [(MIDNIGHT, catalog(DEAR)), (MIDNIGHT + 10, catalog(CHEAP))]
    near = PriceCalendar(catalog(CHEAP), steps, HORIZON_S)
    dear_usd = DEAR.bound(1_000, 100)
    for now in (MIDNIGHT - 1, MIDNIGHT, MIDNIGHT + 9):
        price = price_at(near, now)
        assert price is not None
        assert price.bound(1_000, 100) == dear_usd
    assert price_at(near, MIDNIGHT + 10) == CHEAP


def test_between_changes_the_catalogue_is_the_same_object() -> None:
    """Worlds are kept by it: a new one each time would be half a millisecond each time."""
    both = calendar(CHEAP, DEAR)
    assert both.at(0.0) is both.at(EVE - 1)
    assert both.at(EVE) is both.at(MIDNIGHT - 1)
    assert both.at(MIDNIGHT) is both.at(MIDNIGHT + 1e9)


def test_a_catalogue_without_changes_is_its_own_calendar() -> None:
    alone = catalog(CHEAP)
    assert alone.at(0.0) is alone is PriceCalendar(alone, [], HORIZON_S).at(MIDNIGHT)
