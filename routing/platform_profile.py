"""What one platform is and can do: read from configuration and price lists, never mutated."""

from dataclasses import dataclass, field

from routing.capability import Capability
from routing.money import Price
from routing.request_limits import RequestLimits


def target_of(platform: str, model: str) -> str:
    """The name of one model on one platform: what is chosen, measured and broken off."""
    return f"{platform}/{model}"


def platform_of(target: str) -> str:
    """The platform of a target."""
    return target.partition("/")[0]


@dataclass(frozen=True, slots=True)
class PlatformProfile:
    """A platform with one of the models it is configured to use.

    `target` names the two together; figures and breakers are kept by it. `quality` ranks models in 0..1 for the capability and balanced strategies; it is
    an operator's judgement, from configuration, not a measurement. `prior_latency_ms`
    is believed until the platform has been seen to answer. `limits` are what its wire takes.
    """

    name: str
    model: str
    capabilities: frozenset[Capability]
    context_window: int
    max_output_tokens: int
    regions: frozenset[str]
    quality: float
    prior_latency_ms: float
    price: Price | None
    simulated: bool = False
    temperature: float | None = None
    retires_at: str | None = None
    limits: RequestLimits = field(default_factory=RequestLimits)
    target: str = field(init=False)

    def __post_init__(self) -> None:
        # Worked out once: every decision looks every target up.
        object.__setattr__(self, "target", target_of(self.name, self.model))
