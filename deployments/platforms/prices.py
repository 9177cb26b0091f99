"""List prices, from the snapshot the genai-prices package ships; nothing is fetched."""

import importlib.metadata
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal

from genai_prices import Usage, calc_price
from genai_prices.types import ModelPrice, PriceCalculation, StartDateConstraint, TieredPrices

from routing.exchange import STANDARD
from routing.money import Price, Tier

_PROVIDERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "azure_openai": "azure",
    "google_vertex": "google",
}

# Our words for service tiers, as codecs read them off replies, and the package's. Anthropic's
# fast mode is left out: it has to be asked for, we do not, and it would double every bound.
_SERVICE_TIERS = {
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
    "batch": {"processing": "batch"},
}

# A workspace may keep its requests in the United States, and Anthropic then charges this much
# of the list price for every kind of token; its page on data residency says so, the package
# does not.
_ANTHROPIC_US = Decimal("1.1")


def price_of(platform: str, model: str, on: date) -> Price | None:
    """The list price of `model` on the day `on` (UTC), or None where nobody knows it.

    A service tier is priced only where the package has a row for it: Azure's and Google's
    own surcharges are mostly not published there.
    """
    at = datetime.combine(on, time(), UTC)
    found = _found(platform, model, at)
    if found is None:
        return None
    standard = tuple(_tiers(found.model_price, STANDARD))
    if not standard:
        return None
    tiers = [*standard[1:]]
    for name, context in _SERVICE_TIERS.items():
        if _is_listed(found, context, at):
            tiers += _tiers(found.model.get_prices(at, context), name)
    if platform == "anthropic":
        tiers += (_dearer(tier, _ANTHROPIC_US, "us") for tier in standard)
    base = standard[0]
    return Price(
        base.input,
        base.output,
        base.cache_read,
        base.cache_write,
        source=f"genai-prices {importlib.metadata.version('genai-prices')}, prices of {on}",
        long_cache_write=base.long_cache_write,
        tiers=tuple(tiers),
    )


def embedding_price_of(platform: str, model: str, on: date) -> Decimal | None:
    """The list price of a token that is embedded, or None where nobody knows it."""
    found = _found(platform, model, datetime.combine(on, time(), UTC))
    rate = None if found is None else _rate(found.model_price.input_mtok, 0)
    return None if rate is None else rate / 1_000_000


def days_of_change(platform: str, model: str, after: date) -> frozenset[date]:
    """The days after `after` from whose midnight (UTC) on the list may have another price."""
    found = _found(platform, model, datetime.combine(after, time(), UTC))
    if found is None:
        return frozenset()
    listed = found.model
    conditions = [row.constraint for row in listed.price_variants or ()]
    if not isinstance(listed.prices, ModelPrice):
        conditions += (row.constraint for row in listed.prices)
    starts = (c.start_date for c in conditions if isinstance(c, StartDateConstraint))
    return frozenset(start for start in starts if start > after)


def _found(platform: str, model: str, at: datetime) -> PriceCalculation | None:
    """The list's rows for it, None where it has none."""
    provider = _PROVIDERS.get(platform)
    if provider is None:
        return None
    try:
        # The usage is of no matter: what is wanted is the row it is reckoned with.
        return calc_price(
            Usage(input_tokens=1), model, provider_id=provider, genai_request_timestamp=at
        )
    except LookupError:
        return None


def _is_listed(found: PriceCalculation, context: dict[str, str], at: datetime) -> bool:
    """Whether the package knows what this provider takes for it, on that day.

    A model borrowed from another provider's list (Azure sells OpenAI's) is borrowed at its
    standard price: what the other one takes for its tiers says nothing.
    """
    if not any(found.model is own for own in found.provider.models):
        return False
    return any(
        variant.when == context and (variant.constraint is None or variant.constraint.active(at))
        for variant in found.model.price_variants or ()
    )


def _tiers(listed: ModelPrice, service_tier: str) -> Iterator[Tier]:
    """The row as tiers, smallest requests first; nothing where input or output has no rate."""
    keys = (
        "input_mtok",
        "output_mtok",
        "cache_read_mtok",
        "cache_write_mtok",
        "cache_write_1h_mtok",
    )
    rates: list[Decimal | TieredPrices | None] = [getattr(listed, key) for key in keys]
    steps = [step for rate in rates if isinstance(rate, TieredPrices) for step in rate.tiers]
    for start in sorted({0, *(step.start for step in steps)}):
        input_, output, read, write, long_write = (_rate(rate, start) for rate in rates)
        if input_ is None or output is None:
            return
        yield Tier(input_, output, read, write, long_write, start, service_tier)


def _rate(rate: Decimal | TieredPrices | None, start: int) -> Decimal | None:
    """The rate of requests a little larger than `start`."""
    if not isinstance(rate, TieredPrices):
        return rate
    return [rate.base, *(step.price for step in rate.tiers if step.start <= start)][-1]


def _dearer(tier: Tier, factor: Decimal, service_tier: str) -> Tier:
    def times(rate: Decimal | None) -> Decimal | None:
        return None if rate is None else rate * factor

    return Tier(
        tier.input * factor,
        tier.output * factor,
        times(tier.cache_read),
        times(tier.cache_write),
        times(tier.long_cache_write),
        tier.above_input_tokens,
        service_tier,
    )
