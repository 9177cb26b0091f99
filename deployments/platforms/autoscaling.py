"""How many replicas a platform needs: by requests under way, which Serve itself cannot see.

Serve counts handle calls, and one of ours carries up to sixty-four requests.
"""

from collections.abc import Mapping
from typing import Protocol


class Context(Protocol):
    """The part of Serve's AutoscalingContext that is read here."""

    @property
    def aggregated_metrics(self) -> Mapping[str, Mapping[object, float]] | None:
        """Per metric, each replica's mean over the look-back period."""
        ...


class InFlightPolicy:
    """As many replicas as keep each at about `target_in_flight` requests; Serve bounds the number."""

    def __init__(self, target_in_flight: int) -> None:
        self._target = target_in_flight

    def __call__(self, context: Context) -> tuple[int, dict[str, object]]:
        """The replicas wanted, and no state to keep."""
        reported = (context.aggregated_metrics or {}).get("in_flight", {})
        wanted = -(-int(sum(reported.values())) // self._target)
        return max(wanted, 1), {}
