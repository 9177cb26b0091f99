"""What one platform is and can do: read from configuration and price lists, never mutated."""

from dataclasses import dataclass

from routing.capability import Capability
from routing.money import Price


@dataclass(frozen=True, slots=True)
class PlatformProfile:
    """A platform with the model it is configured to use.

    `quality` ranks models in 0..1 for the capability and balanced strategies; it is
    an operator's judgement, from configuration, not a measurement. `prior_latency_ms`
    is believed until the platform has been seen to answer.
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
