"""What a price makes of a usage: tiers of size and of service, and when it does not know."""

from dataclasses import replace
from decimal import Decimal

import pytest

from routing.estimate import affordable_tokens
from routing.exchange import Usage
from routing.money import Price, Tier, price_table_hash

# As gpt-5.5 is sold: twice the input and half as much again for output above 272,000 tokens.
PRICE = Price(
    Decimal(5),
    Decimal(30),
    cache_read=Decimal("0.5"),
    tiers=(
        Tier(Decimal(10), Decimal(45), Decimal(1), above_input_tokens=272_000),
        Tier(Decimal("2.5"), Decimal(15), service_tier="flex"),
        Tier(Decimal("12.5"), Decimal(75), service_tier="priority"),
    ),
)
CALL = Usage(input_tokens=1_000, output_tokens=100)


def test_a_large_request_costs_the_rates_of_its_size_from_its_first_token_on() -> None:
    """One token over the threshold makes all of them dearer, and not only that one."""
    assert PRICE.cost(Usage(input_tokens=272_000, output_tokens=1)) == Decimal("1.36003")
    assert PRICE.cost(Usage(input_tokens=272_001, output_tokens=1)) == Decimal("2.720055")


def test_what_was_cached_counts_towards_the_size() -> None:
    """The threshold is on the whole input."""
    usage = Usage(input_tokens=300_000, cached_tokens=299_000)
    assert PRICE.cost(usage) == Decimal("0.309")


def test_a_reply_costs_what_its_service_tier_costs() -> None:
    """The vendor says how it was served, whatever was asked for."""
    costs = [PRICE.cost(CALL, tier) for tier in ("standard", "flex", "priority")]
    assert costs == [Decimal("0.008"), Decimal("0.004"), Decimal("0.02")]


def test_a_service_tier_without_a_price_is_not_taken_for_the_standard_one() -> None:
    """The standard figure might be the cheaper one."""
    assert PRICE.cost(CALL, "ultrafast") is None


def test_an_agreed_price_holds_at_every_service_tier() -> None:
    """Who negotiated a price has paid for the tier as well."""
    assert replace(PRICE, is_agreed=True).cost(CALL, "ultrafast") == Decimal("0.008")


def test_what_is_kept_longer_costs_its_own_rate_or_is_unknown() -> None:
    """A rate for the shorter time says nothing about the longer one."""
    price = Price(Decimal(2), Decimal(10), cache_write=Decimal("2.5"), long_cache_write=Decimal(4))
    usage = Usage(3_000, cache_write_tokens=3_000, long_cache_write_tokens=2_000)
    assert price.cost(usage) == Decimal("0.0105")
    assert replace(price, long_cache_write=None).cost(usage) is None


@pytest.mark.parametrize(
    "usage",
    [
        Usage(),
        Usage(output_tokens=10),
        Usage(10, cached_tokens=11),
        Usage(10, cached_tokens=6, cache_write_tokens=6),
        Usage(10, cache_write_tokens=2, long_cache_write_tokens=3),
    ],
)
def test_a_count_that_cannot_be_true_costs_nobody_knows_what(usage: Usage) -> None:
    """A server that leaves usage out did not work for nothing; parts are no more than their whole."""
    assert PRICE.cost(usage) is None


def test_a_price_for_each_call_needs_no_tokens() -> None:
    """Copilot Studio counts messages."""
    price = Price(Decimal(0), Decimal(0), per_call=Decimal("0.02"))
    assert price.cost(Usage()) == Decimal("0.02") == price.bound(9_000, 900)


def test_a_bound_covers_the_size_a_request_may_have_and_every_service_tier() -> None:
    """A request that names no tier is served at the one of its project."""
    sizes = Price(Decimal(5), Decimal(30), tiers=PRICE.tiers[:1])
    assert sizes.bound(272_000, 100) == Decimal("1.363")
    assert sizes.bound(272_001, 100) == Decimal("2.72451")
    assert PRICE.bound(1_000, 100) == PRICE.cost(CALL, "priority")


def test_an_estimate_is_for_the_standard_tier_of_the_requests_size() -> None:
    """Nobody expects the dearest; the long rates are certain, though."""
    assert PRICE.expected(1_000, 100) == pytest.approx(float(PRICE.cost(CALL) or 0))
    assert PRICE.expected(300_000, 0) == pytest.approx(3)


def test_money_clamps_an_answer_by_the_dearest_rate_of_its_size() -> None:
    """Or a promise would be broken by a call that turns out to be served dearly."""
    limit = PRICE.bound(1_000, 50)
    assert affordable_tokens(PRICE, limit, 1_000, 800) == 50
    assert affordable_tokens(PRICE, limit - Decimal("1e-9"), 1_000, 800) == 49


def test_one_table_of_prices_has_one_name() -> None:
    """Neither order, nor how a figure is written, nor where it was read makes another table."""
    same = replace(PRICE, input=Decimal("5.00"), source="elsewhere", tiers=PRICE.tiers[::-1])
    named = price_table_hash({"openai": PRICE, "azure_openai": None})
    assert price_table_hash({"azure_openai": None, "openai": same}) == named
    assert named == "01dcbd71637494a7be0e82b6e7265fdb"


@pytest.mark.parametrize(
    "other",
    [
        None,
        replace(PRICE, output=Decimal("30.01")),
        replace(PRICE, cache_read=None),
        replace(PRICE, per_call=Decimal("0.01")),
        replace(PRICE, is_estimate=True),
        replace(PRICE, is_agreed=True),
        replace(PRICE, tiers=PRICE.tiers[:2]),
        replace(PRICE, tiers=(replace(PRICE.tiers[0], above_input_tokens=1), *PRICE.tiers[1:])),
    ],
)
def test_another_figure_makes_another_name(other: Price | None) -> None:
    """A certificate that names a table names its every figure."""
    assert price_table_hash({"openai": other}) != price_table_hash({"openai": PRICE})


def test_a_price_belongs_to_its_platform() -> None:
    """The same price elsewhere is another table."""
    assert price_table_hash({"openai": PRICE}) != price_table_hash({"anthropic": PRICE})


@pytest.mark.parametrize(
    "lie",
    [
        Usage(input_tokens=1_000, output_tokens=-100),
        Usage(input_tokens=1_000, cached_tokens=-10),
        Usage(input_tokens=-5, output_tokens=100),
        Usage(input_tokens=1_000, cache_write_tokens=5, long_cache_write_tokens=-5),
    ],
)
def test_a_vendor_that_counts_below_nothing_has_no_known_cost(lie: Usage) -> None:
    """A negative count would pay money back into a budget."""
    assert PRICE.cost(lie) is None
