"""Our prices say what the list itself reckons, for every model that this version knows.

The list is asked through its own function, which prices a usage and not a rate, so that
our reading of its rows (sizes, days, service tiers, borrowed models) is held against its own.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path

import genai_prices
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.platforms.prices import price_of
from routing.exchange import STANDARD, Usage
from routing.money import Price

ROOT = Path(__file__).parents[2]
PROVIDERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "azure_openai": "azure",
    "google_vertex": "google",
}
CONTEXTS: Mapping[str, dict[str, str] | None] = {
    STANDARD: None,
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "batch": {"processing": "batch"},
}
# Before service tiers were listed; today; after introductory prices have ended; after others have.
DAYS = (date(2026, 9, 1), date(2026, 11, 22), date(2026, 12, 1), date(2027, 1, 1))


def _models() -> list[str]:
    table = yaml.safe_load((ROOT / "config" / "models.yaml").read_text())
    gone = [*table["retired"].items(), *table["retiring"].items()]
    return sorted({*table["models"], *(name for name, _ in gone), *(row["use"] for _, row in gone)})


def _priced(platform: str) -> dict[tuple[str, date], Price]:
    found = {(model, on): price_of(platform, model, on) for model in _models() for on in DAYS}
    return {where: price for where, price in found.items() if price is not None}


PRICED = {platform: _priced(platform) for platform in PROVIDERS}
# A little more and a little less than where the lists change their rates.
edges = st.sampled_from([n + d for n in (100_000, 128_000, 200_000, 272_000) for d in (-1, 0, 1)])
counts = st.integers(0, 500) | st.integers(0, 400_000)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    total = draw(edges | st.integers(1, 500) | st.integers(1, 1_000_000))
    read = draw(st.integers(0, total))
    written = draw(st.integers(0, total - read))
    long = draw(st.just(0) | st.integers(0, written))
    output = draw(counts)
    return Usage(total, read, written, output, draw(st.integers(0, output)), long)


def listed(
    platform: str, model: str, on: date, usage: Usage, service_tier: str
) -> genai_prices.types.PriceCalculation:
    """What the list makes of a usage."""
    return genai_prices.calc_price(
        genai_prices.Usage(
            input_tokens=usage.input_tokens,
            cache_read_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            cache_write_1h_tokens=usage.long_cache_write_tokens,
            output_tokens=usage.output_tokens,
        ),
        model,
        provider_id=PROVIDERS[platform],
        genai_request_timestamp=datetime.combine(on, time(12), UTC),
        price_context=CONTEXTS[service_tier],
    )


@pytest.mark.timeout(180)  # 46 s on two cores that two runs shared
@pytest.mark.parametrize("platform", PROVIDERS)
@given(usage=usages(), service_tier=st.sampled_from(sorted(CONTEXTS)))
@settings(max_examples=60, deadline=None)
def test_every_model_costs_what_the_list_says(
    platform: str, usage: Usage, service_tier: str
) -> None:
    """On every day, at every service tier that the list has a row for, and unknown at the others."""
    for (model, on), price in PRICED[platform].items():
        found = listed(platform, model, on, usage, service_tier)
        has_row = any(found.model is own for own in found.provider.models) and any(
            row.when == CONTEXTS[service_tier]
            and (row.constraint is None or row.constraint.active(datetime.combine(on, time(), UTC)))
            for row in found.model.price_variants or ()
        )
        cost = price.cost(usage, service_tier)
        is_kept_longer = usage.long_cache_write_tokens > 0
        has_rate = not is_kept_longer or found.model_price.cache_write_1h_mtok is not None
        if not has_rate or (service_tier != STANDARD and not has_row):
            assert cost is None, (model, on)
        else:
            assert cost == found.total_price, (model, on)
            assert cost <= price.bound(usage.input_tokens, usage.output_tokens)


@pytest.mark.parametrize("platform", PROVIDERS)
def test_every_model_of_ours_is_looked_for(platform: str) -> None:
    """A price list that lost its models would otherwise make the test above an easy one."""
    own = {
        "openai": "gpt-6.1-terra",
        "anthropic": "claude-sonnet-5-5",
        "azure_openai": "gpt-6-luna",
    }
    model = own.get(platform, "gemini-3.8-flash")
    assert all((model, on) in PRICED[platform] for on in DAYS)
    assert len({model for model, _ in PRICED[platform]}) >= 15


@given(usage=usages())
@settings(max_examples=30, deadline=None)
def test_what_is_kept_in_the_united_states_costs_a_tenth_more(usage: Usage) -> None:
    """Anthropic's surcharge, for every kind of token and every size."""
    for (model, on), price in PRICED["anthropic"].items():
        cost, abroad = price.cost(usage, "us"), price.cost(usage)
        assert cost == (None if abroad is None else abroad * Decimal("1.1")), (model, on)


@pytest.mark.parametrize(
    ("platform", "model"),
    [
        ("openai", "gpt-7-nova"),
        ("azure_openai", "support-luna"),
        ("copilot_studio", "copilot-studio"),
        ("openai", "text-embedding-3-small"),
    ],
)
def test_what_nobody_lists_has_no_price(platform: str, model: str) -> None:
    """Nor has a model without a rate for output: what has no rate is unknown, not free."""
    assert price_of(platform, model, DAYS[0]) is None


def test_a_price_names_its_list_and_its_day() -> None:
    """Whoever doubts a figure must know where it was read."""
    price = price_of("openai", "gpt-6-luna", date(2026, 11, 22))
    assert price is not None
    assert price.source == f"genai-prices {genai_prices.__version__}, prices of 2026-11-22"
