"""Whom a request on a vendor's route may go to, and within what: its model's name and our headers."""

import math
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal, InvalidOperation

from config.models import shipped_models
from deployments.agent.road import Limits
from deployments.ingress.vendor_errors import invalid
from routing.catalog import Catalog
from routing.errors import RequestError, Violation
from routing.platform_profile import PlatformProfile
from routing.policy import Strategy
from routing.requirement import Requirements

STRATEGIES: Mapping[str, Strategy | None] = {
    "auto": None,
    "auto:cost": Strategy.COST_OPTIMIZED,
    "auto:latency": Strategy.LATENCY,
    "auto:capability": Strategy.CAPABILITY,
    "auto:balanced": Strategy.BALANCED,
    "auto:adaptive": Strategy.ADAPTIVE,
}
"""The models that are no model: the road chooses; None is the configuration's own strategy."""

# As in the body of /v3/chat.
_NUMBER_MAX = 32
_USD_MIN, _USD_MAX = Decimal("1e-9"), Decimal(1_000_000)
_LATENCY_MAX_MS = 600_000


def limits_of(model: str, headers: Mapping[str, str], catalog: Catalog) -> Limits:
    """Whom the model's name and the headers allow.

    Raises:
        RequestError: there is no such model, or a header cannot be read.
    """
    max_cost = headers.get("x-supportmax-max-cost")
    max_latency = headers.get("x-supportmax-max-latency-ms")
    limits = Limits(
        fallback_platforms=_fallbacks(headers.get("x-supportmax-fallback"), catalog),
        requirements=Requirements(
            max_cost_usd=None if max_cost is None else _usd(max_cost),
            max_latency_ms=None if max_latency is None else _milliseconds(max_latency),
        ),
    )
    if model in STRATEGIES:
        return replace(limits, strategy=STRATEGIES[model])
    if model in catalog.platforms:
        return replace(limits, platform=model)
    for profile in catalog.profiles:
        if model in {profile.model, profile.target}:
            return replace(limits, platform=profile.name, model=profile.model)
    if (successor := _successor(model, catalog)) is not None:
        return replace(limits, platform=successor.name, model=successor.model)
    models = dict.fromkeys(profile.model for profile in catalog.profiles)
    there = ", ".join([*STRATEGIES, *catalog.platforms, *models])
    message = f"This model does not exist here; there are: {there}"
    raise RequestError("model_not_found", message, (Violation("/model", message),))


def _successor(model: str, catalog: Catalog) -> PlatformProfile | None:
    """Who answers for a model of yesterday: its successor, else another of where that is sold.

    The answer's `model` says which it was.
    """
    table = shipped_models()
    if (use := table.successor(model)) is None:
        return None
    sold_on = table.sold_on(use)
    possible = [profile for profile in catalog.profiles if profile.name in sold_on]
    return next((p for p in possible if p.model == use), possible[0] if possible else None)


def _fallbacks(given: str | None, catalog: Catalog) -> tuple[str, ...] | None:
    if given is None:
        return None
    names = tuple(name.strip() for name in given.split(",") if name.strip())
    if not all(name in catalog.platforms for name in names):
        raise invalid("header:x-supportmax-fallback", f"there are: {', '.join(catalog.platforms)}")
    return names


def _usd(given: str) -> Decimal:
    try:
        limit = Decimal(given) if len(given) <= _NUMBER_MAX else Decimal(0)
    except InvalidOperation:
        limit = Decimal(0)
    # Bounded both ways, before anything is reckoned: the digits of 1e-99999999 fill a memory.
    if not (limit.is_finite() and _USD_MIN <= limit <= _USD_MAX):
        raise invalid("header:x-supportmax-max-cost", f"not in {_USD_MIN}..{_USD_MAX} USD")
    return limit


def _milliseconds(given: str) -> float:
    try:
        limit = float(given) if len(given) <= _NUMBER_MAX else math.nan
    except ValueError:
        limit = math.nan
    if not 0 < limit <= _LATENCY_MAX_MS:
        raise invalid("header:x-supportmax-max-latency-ms", f"not in 0..{_LATENCY_MAX_MS}")
    return limit
