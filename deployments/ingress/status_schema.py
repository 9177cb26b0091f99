"""The status of the platforms as it is published: what each row of it says."""

from typing import Literal

from pydantic import BaseModel

from routing.capability import Capability


class Latency(BaseModel):
    """Quantiles over the last minutes; null while the platform has not been asked."""

    p50: float | None
    p95: float | None
    p99: float | None


class ListedModelBody(BaseModel):
    """A model of the platform's own list; days are UTC, null is what the platform does not say."""

    id: str
    retires_at: str | None
    deprecated_at: str | None
    context_window: int | None


class RetirementBody(BaseModel):
    """The configured model will be shut down soon, or the day has passed: then `days_left` is negative."""

    model: str
    retires_at: str
    days_left: int
    source: Literal["platform", "models.yaml"]
    warning: str


class RateLimitBody(BaseModel):
    """What is left of the allowance, as the last answer's headers had it; null where they did not."""

    as_of: str
    remaining_requests: int | None
    limit_requests: int | None
    remaining_tokens: int | None
    limit_tokens: int | None
    resets_at: str | None


class RatesBody(BaseModel):
    """USD per million tokens; a cache rate that is null is the input rate.

    What is written to the longer-lived cache has no price where `long_cache_write` is null.
    """

    input: float
    output: float
    cache_read: float | None
    cache_write: float | None
    long_cache_write: float | None


class TierBody(RatesBody):
    """The rates of requests with more input tokens than that, at that service tier."""

    service_tier: str
    above_input_tokens: int


class PricesBody(RatesBody):
    """What the configured model costs; `per_call` is USD for each call besides."""

    per_call: float
    tiers: list[TierBody]
    estimated: bool
    agreed: bool
    source: str


class BoundsBody(BaseModel):
    """For each size of request the times, in ms, within which these shares of answers come."""

    small: dict[str, float] | None
    medium: dict[str, float] | None
    large: dict[str, float] | None


class TargetBody(BaseModel):
    """One model of a platform now.

    `ailment` says what its breaker is about: `health`, `model` or `account`; `forced` that
    an administrator holds it; `borrowed` that its latencies are what other regions saw.
    `slow_times` says how many times the usual its answers take while that is several times; until
    its next probe at `slow_until` it then yields to others that are much faster.
    `bills_over_bound` counts answers that cost more than was reckoned with at most.
    """

    model: str
    state: Literal["ready", "degraded", "open", "disabled"]
    breaker: str
    ailment: str | None
    forced: bool
    breaker_until: str | None
    cooling_until: str | None
    slow_times: float | None
    slow_until: str | None
    success_rate: float | None
    attempts: int
    borrowed: bool
    in_flight: int
    bounds_ms: BoundsBody
    cost_usd_today: float
    bills_over_bound: int
    rate_limits: RateLimitBody | None
    prices: PricesBody | None
    quality: float
    retires_at: str | None


class PlatformStatus(BaseModel):
    """One platform now. Of a platform that is disabled most is null.

    `models` is null until the platform has said, at `models_as_of`, what it offers, and empty
    where it publishes no list; `models_unknown_since` is when it ceased to say so.
    `prices` is null where nobody knows them.
    """

    name: str
    state: Literal["ready", "degraded", "open", "disabled"]
    configured: bool
    simulated: bool
    model: str | None
    latency_ms: Latency
    success_rate: float | None
    in_flight: int
    cost_usd_today: float
    breaker: str
    retires_at: str | None
    detail: str | None
    models: list[ListedModelBody] | None
    models_as_of: str | None
    models_unknown_since: str | None
    models_detail: str | None
    retirement: RetirementBody | None
    rate_limits: RateLimitBody | None
    prices: PricesBody | None
    options: dict[str, str]
    targets: list[TargetBody]
    regions: list[str] | None
    capabilities: list[Capability] | None
    context_window: int | None
    max_output_tokens: int | None
    quality: float | None


class StatusBody(BaseModel):
    """Every platform now, as this region's coordinator last published it.

    `settings_version` is the change of settings that the replica works with which answers; 0 is
    what the files say.
    """

    region: str
    snapshot: int
    settings_version: int
    platforms: list[PlatformStatus]
