"""Whom a request on a vendor's route may go to, and within what: its model's name and our headers."""

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from config.models import shipped_models
from deployments.agent.road import Limits
from deployments.ingress.vendor_errors import invalid
from routing.capability import Capability
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

_MAX_COST = "x-supportmax-max-cost"
_MAX_LATENCY = "x-supportmax-max-latency-ms"
_CAPABILITIES = "x-supportmax-capabilities"
_REGIONS = "x-supportmax-regions"
_MIN_QUALITY = "x-supportmax-min-quality"
_FALLBACK = "x-supportmax-fallback"

REQUEST_HEADERS: Mapping[str, str] = {
    _MAX_COST: "USD for the whole answer; one that could cost more is refused.",
    _MAX_LATENCY: "Milliseconds until the answer's end.",
    _CAPABILITIES: "What the model must be able to do, separated by commas.",
    _REGIONS: "Where the request may be processed, separated by commas.",
    _MIN_QUALITY: "The least quality of an answer, in 0..1.",
    _FALLBACK: "Platforms to fail over to, in order, separated by commas.",
}
"""What a caller may add to a vendor's request."""

_OURS = "x-supportmax-"

# As in the body of /v3/chat.
_NUMBER_MAX = 32
_USD_MIN, _USD_MAX = Decimal("1e-9"), Decimal(1_000_000)
_LATENCY_MAX_MS = 600_000
_NAMES_MAX = 16
_REGION = re.compile(r"[a-z0-9-]{1,32}")
# Python itself would also read 1_0, and the digits of other scripts.
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,9})?")


def limits_of(model: str, headers: Mapping[str, str], catalog: Catalog) -> Limits:
    """Whom the model's name and the headers allow.

    Raises:
        RequestError: there is no such model, or a header of ours is unknown or cannot be read.
    """
    for name in headers:
        # A limit that was misspelt must not be a limit that is ignored.
        if name.startswith(_OURS) and name not in REQUEST_HEADERS:
            raise invalid(f"header:{name}", f"there are: {', '.join(REQUEST_HEADERS)}")
    limits = Limits(
        fallback_platforms=_fallbacks(headers.get(_FALLBACK), catalog),
        requirements=_requirements(headers),
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


def _requirements(headers: Mapping[str, str]) -> Requirements:
    max_cost, max_latency = headers.get(_MAX_COST), headers.get(_MAX_LATENCY)
    min_quality = headers.get(_MIN_QUALITY)
    return Requirements(
        max_cost_usd=None if max_cost is None else _usd(max_cost),
        max_latency_ms=None if max_latency is None else _milliseconds(max_latency),
        capabilities=_capabilities(headers.get(_CAPABILITIES)),
        regions=_regions(headers.get(_REGIONS)),
        min_quality=None if min_quality is None else _share(min_quality),
    )


def _fallbacks(given: str | None, catalog: Catalog) -> tuple[str, ...] | None:
    if given is None:
        return None
    names = _names(given)
    if not all(name in catalog.platforms for name in names):
        raise invalid(f"header:{_FALLBACK}", f"there are: {', '.join(catalog.platforms)}")
    return names


def _capabilities(given: str | None) -> frozenset[Capability]:
    if given is None:
        return frozenset()
    names, known = _names(given), {capability.value for capability in Capability}
    if not names or not known.issuperset(names):
        raise invalid(f"header:{_CAPABILITIES}", f"there are: {', '.join(sorted(known))}")
    return frozenset(Capability(name) for name in names)


def _regions(given: str | None) -> frozenset[str]:
    if given is None:
        return frozenset()
    names = _names(given)
    if not 0 < len(names) <= _NAMES_MAX or not all(_REGION.fullmatch(name) for name in names):
        raise invalid(f"header:{_REGIONS}", f"not 1 to {_NAMES_MAX} names of regions")
    return frozenset(names)


def _names(given: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in given.split(",") if name.strip())


def _usd(given: str) -> Decimal:
    limit = Decimal(given) if _is_number(given) else Decimal(0)
    # Bounded both ways, before anything is reckoned: the digits of 1e-99999999 fill a memory.
    if not (limit.is_finite() and _USD_MIN <= limit <= _USD_MAX):
        raise invalid(f"header:{_MAX_COST}", f"not in {_USD_MIN}..{_USD_MAX} USD")
    return limit


def _milliseconds(given: str) -> float:
    limit = float(given) if _is_number(given) else math.nan
    if not 0 < limit <= _LATENCY_MAX_MS:
        raise invalid(f"header:{_MAX_LATENCY}", f"not in 0..{_LATENCY_MAX_MS}")
    return limit


def _share(given: str) -> float:
    share = float(given) if _is_number(given) else math.nan
    if not 0 <= share <= 1:
        raise invalid(f"header:{_MIN_QUALITY}", "not in 0..1")
    return share


def _is_number(given: str) -> bool:
    return len(given) <= _NUMBER_MAX and _NUMBER.fullmatch(given) is not None
