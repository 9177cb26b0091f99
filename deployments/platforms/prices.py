"""List prices, from the snapshot the genai-prices package ships; nothing is fetched."""

import importlib.metadata
from decimal import Decimal

from genai_prices import Usage, calc_price

from routing.money import Price

_PROVIDERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "azure_openai": "azure",
    "google_vertex": "google",
}


def price_of(platform: str, model: str) -> Price | None:
    """The list price of `model` in the tier of small requests, or None where nobody knows it.

    Read off what a million tokens of one kind cost, so that tiers and dated prices are
    the package's to apply.
    """
    provider = _PROVIDERS.get(platform)
    if provider is None:
        return None
    try:
        plain = calc_price(
            Usage(input_tokens=1000, output_tokens=1000), model, provider_id=provider
        )
        read = calc_price(
            Usage(input_tokens=1000, cache_read_tokens=1000), model, provider_id=provider
        )
        write = calc_price(
            Usage(input_tokens=1000, cache_write_tokens=1000), model, provider_id=provider
        )
    except LookupError:
        return None
    return Price(
        input=plain.input_price * 1000,
        output=plain.output_price * 1000,
        cache_read=Decimal(read.input_price * 1000),
        cache_write=Decimal(write.input_price * 1000),
        source=f"genai-prices {importlib.metadata.version('genai-prices')}",
    )
