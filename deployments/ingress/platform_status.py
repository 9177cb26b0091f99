"""One platform's row of the status: what an operator wants to know of it, and no secret."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, TypeAlias
from urllib.parse import urlsplit, urlunsplit

from deployments.ingress.retirement import Retirement
from deployments.platforms.models import ListedModel, Offer
from routing.breaker import BreakerPhase
from routing.clock import rfc3339
from routing.conformal import SHARES
from routing.exchange import RateLimit
from routing.message import JsonObject
from routing.money import Price, Tier
from routing.platform_profile import PlatformProfile
from routing.scorecard import Scorecard, Snapshot
from routing.size import Size

State: TypeAlias = Literal["ready", "degraded", "open", "disabled"]

# Below this share of answers a platform is called degraded, before its breaker opens at a half.
_HEALTHY_SHARE = 0.9
# What of a connection is shown. Named one by one, because a new option may be a secret, or
# open a door: a Copilot agent's `token_endpoint` hands out tokens to whoever asks.
_SHOWN = (
    "project_id",
    "location",
    "agent_engine",
    "deployment",
    "api",
    "api_version",
    "auth",
    "bot_id",
    "environment_id",
    "schema_name",
)


@dataclass(frozen=True, slots=True)
class Listed:
    """A platform of the configuration; without `profiles` it is disabled, `detail` says why.

    `options` is how it is reached, by the names of its settings; `base_url` is None for the
    vendor's own address.
    """

    name: str
    detail: str
    profiles: tuple[PlatformProfile, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    base_url: str | None = None

    @property
    def profile(self) -> PlatformProfile | None:
        """The model that is the platform's own choice."""
        return self.profiles[0] if self.profiles else None


@dataclass(slots=True)
class Listing:
    """The platforms in their order as they are now, and the version of their settings; 0 is the files."""

    rows: Sequence[Listed]
    version: int = 0


def state_of(listed: Listed, snapshot: Snapshot, now: float) -> State:
    """How the platform does, in a word: as well as the best of its models."""
    states = {_state(snapshot.of(profile.target), now) for profile in listed.profiles}
    return next((state for state in ("ready", "degraded", "open") if state in states), "disabled")


def _state(card: Scorecard, now: float) -> State:
    if card.breaker_blocks(now):
        return "open"
    low = card.success_rate is not None and card.success_rate < _HEALTHY_SHARE
    is_slow = card.slow_times is not None
    troubled = low or is_slow or card.is_cooling(now) or card.breaker is not BreakerPhase.CLOSED
    return "degraded" if troubled else "ready"


def row_of(
    listed: Listed, snapshot: Snapshot, offer: Offer, retirement: Retirement | None, now: float
) -> JsonObject:
    """Everything that is known of the platform at `now`; its figures are its own choice's."""
    profile = listed.profile
    card = snapshot.of(listed.name if profile is None else profile.target)
    cards = [snapshot.of(target.target) for target in listed.profiles]
    return {
        "name": listed.name,
        "state": state_of(listed, snapshot, now),
        "configured": profile is not None and not profile.simulated,
        "simulated": profile is not None and profile.simulated,
        "model": None if profile is None else profile.model,
        "latency_ms": {
            "p50": card.latency_p50_ms,
            "p95": card.latency_p95_ms,
            "p99": card.latency_p99_ms,
        },
        "success_rate": card.success_rate,
        "in_flight": sum(each.in_flight for each in cards),
        "cost_usd_today": float(sum(each.cost_usd_today for each in cards)),
        "breaker": card.breaker.value,
        "retires_at": None if profile is None else profile.retires_at,
        "detail": listed.detail or None,
        "models": None if offer.models is None else [_model(model) for model in offer.models],
        "models_as_of": _time(offer.as_of),
        "models_unknown_since": _time(offer.unknown_since),
        "models_detail": offer.detail or None,
        "retirement": None if retirement is None else _retirement(retirement),
        "rate_limits": None if card.rate_limit is None else _rate_limit(card.rate_limit),
        "prices": None if profile is None or profile.price is None else _prices(profile.price),
        "options": _options(listed),
        "targets": [
            _target(target, each, now) for target, each in zip(listed.profiles, cards, strict=True)
        ],
        **_abilities(profile),
    }


def _target(profile: PlatformProfile, card: Scorecard, now: float) -> JsonObject:
    """One model of the platform; `bounds_ms` are the times of `SHARES`, by size of request."""
    return {
        "model": profile.model,
        "state": _state(card, now),
        "breaker": card.breaker.value,
        "ailment": None if card.ailment is None else card.ailment.value,
        "forced": card.forced,
        "breaker_until": _time(card.breaker_until),
        "cooling_until": _time(card.cooling_until),
        "slow_times": None if card.slow_times is None else round(card.slow_times, 2),
        "slow_until": _time(card.slow_until),
        "success_rate": card.success_rate,
        "attempts": card.attempts,
        "borrowed": card.is_borrowed,
        "in_flight": card.in_flight,
        "bounds_ms": {
            size.name.lower(): None
            if bounds is None
            else dict(zip(map(str, SHARES), bounds, strict=True))
            for size, bounds in zip(Size, card.bounds_ms, strict=True)
        },
        "cost_usd_today": float(card.cost_usd_today),
        "bills_over_bound": card.bills_over_bound,
        "rate_limits": None if card.rate_limit is None else _rate_limit(card.rate_limit),
        "prices": None if profile.price is None else _prices(profile.price),
        "quality": profile.quality,
        "retires_at": profile.retires_at,
    }


def _abilities(profile: PlatformProfile | None) -> JsonObject:
    if profile is None:
        names = ("regions", "capabilities", "context_window", "max_output_tokens", "quality")
        return dict.fromkeys(names)
    return {
        "regions": sorted(profile.regions),
        "capabilities": sorted(profile.capabilities),
        "context_window": profile.context_window,
        "max_output_tokens": profile.max_output_tokens,
        "quality": profile.quality,
    }


def _options(listed: Listed) -> JsonObject:
    shown: dict[str, str] = {
        name: listed.options[name] for name in _SHOWN if name in listed.options
    }
    if listed.base_url is not None:
        shown["base_url"] = _bare(listed.base_url)
    return shown


def _bare(address: str) -> str:
    # Some gateways take a key in the query.
    return urlunsplit(urlsplit(address)._replace(query="", fragment=""))


def _model(model: ListedModel) -> JsonObject:
    return {
        "id": model.id,
        "retires_at": None if model.retires_at is None else model.retires_at.isoformat(),
        "deprecated_at": None if model.deprecated_at is None else model.deprecated_at.isoformat(),
        "context_window": model.context_window,
    }


def _retirement(retirement: Retirement) -> JsonObject:
    return {
        "model": retirement.model,
        "retires_at": retirement.retires_at.isoformat(),
        "days_left": retirement.days_left,
        "source": retirement.source,
        "warning": retirement.warning,
    }


def _rate_limit(limit: RateLimit) -> JsonObject:
    return {
        "as_of": _time(limit.at),
        "remaining_requests": limit.remaining_requests,
        "limit_requests": limit.limit_requests,
        "remaining_tokens": limit.remaining_tokens,
        "limit_tokens": limit.limit_tokens,
        "resets_at": _time(limit.resets_at),
    }


def _prices(price: Price) -> JsonObject:
    return {
        **_rates(price),
        "per_call": float(price.per_call),
        "tiers": [
            {
                "service_tier": tier.service_tier,
                "above_input_tokens": tier.above_input_tokens,
                **_rates(tier),
            }
            for tier in price.tiers
        ],
        "estimated": price.is_estimate,
        "agreed": price.is_agreed,
        "source": price.source,
    }


def _rates(rates: Price | Tier) -> JsonObject:
    return {
        "input": float(rates.input),
        "output": float(rates.output),
        "cache_read": _usd(rates.cache_read),
        "cache_write": _usd(rates.cache_write),
        "long_cache_write": _usd(rates.long_cache_write),
    }


def _usd(rate: Decimal | None) -> float | None:
    return None if rate is None else float(rate)


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(seconds)
