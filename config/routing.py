"""Settings of the decision: strategy, weights, fallbacks, attempts, tokens and deadlines."""

from typing import Literal

from pydantic import Field, model_validator

from config.platforms import PlatformName
from config.values import Number, Section, Text, Whole
from routing.learned import EXPLORATION, QUALITY_PER_USD

Strategy = Literal["cost_optimized", "latency", "capability", "balanced", "adaptive"]


class Weights(Section):
    """What the balanced strategy cares about; only the proportions matter."""

    cost: Number = Field(default=0.4, ge=0, le=1000, examples=[0.4])
    latency: Number = Field(default=0.3, ge=0, le=1000, examples=[0.3])
    quality: Number = Field(default=0.3, ge=0, le=1000, examples=[0.3])

    @model_validator(mode="after")
    def _something_matters(self) -> "Weights":
        if self.cost + self.latency + self.quality <= 0:
            raise ValueError("all weights are 0; give at least one a weight, like cost: 1")
        return self


class AdaptiveSettings(Section):
    """What the adaptive strategy goes by.

    `quality_per_usd` is how many points of quality, of 0..1, a dollar must buy; with a
    `target_cost_usd` for the mean answer it is only where pacing starts. `exploration` is the
    share of requests that also try other targets once there is feedback. `quality_file` has
    weights of your own (`supportmax simulate train`).
    """

    quality_per_usd: Number = Field(
        default=QUALITY_PER_USD, ge=0, le=1_000_000, examples=[QUALITY_PER_USD]
    )
    target_cost_usd: Number | None = Field(default=None, ge=1e-9, le=1e6, examples=[0.002])
    exploration: Number = Field(default=EXPLORATION, ge=0, le=0.5, examples=[EXPLORATION])
    quality_file: Text | None = Field(default=None, examples=["/etc/supportmax/quality.json"])


class RoutingSettings(Section):
    """How a platform is chosen when a caller does not say.

    `max_tokens` is what an answer may have when the caller does not say; `deadline_s` what it may take, `max_deadline_s` what a caller may ask for.
    `default_platform` is what you would use without routing: `supportmax savings` compares with
    it, and nothing else does. `retirement_warning_days` is how long before its end a configured model is warned about.
    """

    strategy: Strategy = Field(default="cost_optimized", examples=["cost_optimized"])
    default_platform: PlatformName | None = Field(default=None, examples=["openai"])
    weights: Weights = Weights()
    adaptive: AdaptiveSettings = AdaptiveSettings()
    fallback_platforms: tuple[PlatformName, ...] = Field(
        default=(), examples=["[openai, anthropic]"]
    )
    # 3: the first choice and two others; a fourth rarely starts before the deadline.
    max_attempts: Whole = Field(default=3, ge=1, le=10, examples=[3])
    # 800: a support answer is a few paragraphs.
    max_tokens: Whole = Field(default=800, ge=1, le=1_000_000, examples=[800])
    # 30 s: what a person waits; 120 s: under the 180 s at which proxies commonly hang up.
    deadline_s: Number = Field(default=30.0, gt=0, le=600, examples=[30])
    max_deadline_s: Number = Field(default=120.0, gt=0, le=600, examples=[120])
    # 90: vendors announce the end of a model two months ahead or more, and changing one takes a quarter.
    retirement_warning_days: Whole = Field(default=90, ge=0, le=3650, examples=[90])

    @model_validator(mode="after")
    def _fits_together(self) -> "RoutingSettings":
        if self.deadline_s > self.max_deadline_s:
            raise ValueError(
                f"deadline_s is {self.deadline_s:g} and max_deadline_s {self.max_deadline_s:g}; "
                f"write a max_deadline_s of {self.deadline_s:g} or more"
            )
        if len(set(self.fallback_platforms)) < len(self.fallback_platforms):
            raise ValueError("fallback_platforms names a platform twice; write each once")
        return self
