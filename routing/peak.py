"""Peak-EWMA: a mean of latencies that rises with the first late answer and falls back slowly.

Finagle's definition (com.twitter.finagle.loadbalancer, "PeakEwma"): a latency above the
mean becomes the mean at once, one below it pulls it down with the weight 1 - exp(-t / tau),
t being the time since the last one. Time is an argument.
"""

import math
from dataclasses import dataclass

from routing.message import Json

TAU_S = 10.0
"""Finagle's own decay time: after half a minute a peak has lost 95 % of its weight."""


@dataclass(frozen=True, slots=True)
class Peak:
    """The mean as of `at`, in seconds since the epoch."""

    ms: float
    at: float

    def after(self, now: float) -> float:
        """What is left of it at `now`: without answers it fades to nothing."""
        return self.ms * math.exp(-max(now - self.at, 0.0) / TAU_S)

    def seen(self, latency_ms: float, at: float) -> "Peak":
        """This mean with one latency more; what is reported late counts as of the last one."""
        if latency_ms >= self.ms:
            return Peak(latency_ms, max(at, self.at))
        kept = math.exp(-max(at - self.at, 0.0) / TAU_S)
        return Peak(self.ms * kept + latency_ms * (1 - kept), max(at, self.at))

    def to_json(self) -> Json:
        """This mean, for a checkpoint."""
        return [self.ms, self.at]

    @classmethod
    def from_json(cls, plain: Json) -> "Peak":
        """The mean that `to_json` described; raises ValueError if it is none."""
        match plain:
            case [float() | int() as ms, float() | int() as at] if ms >= 0:
                return cls(float(ms), float(at))
            case _:
                raise ValueError(f"not a peak-EWMA: {plain!r}")
