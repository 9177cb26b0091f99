"""Settings of the decision: strategy, weights, fallbacks, attempts, tokens and deadlines."""

from typing import Literal

from pydantic import Field, model_validator

from config.platforms import PlatformName
from config.values import Number, Section, Whole

Strategy = Literal["cost_optimized", "latency", "capability", "balanced"]


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


class RoutingSettings(Section):
    """How a platform is chosen when a caller does not say.

    `max_tokens` is what an answer may have when the caller does not say; `deadline_s` what it may take, `max_deadline_s` what a caller may ask for.
    """

    strategy: Strategy = Field(default="cost_optimized", examples=["cost_optimized"])
    weights: Weights = Weights()
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
