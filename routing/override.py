"""An administrator's word about a breaker: held open or closed until a given time."""

from dataclasses import dataclass

from routing.breaker import BreakerPhase
from routing.message import Json

MAX_OVERRIDE_S = 7 * 86_400.0
"""A week: what nobody remembers having set must not outlast the one who set it."""


@dataclass(frozen=True, slots=True)
class Override:
    """`phase` is open (nobody is sent there) or closed (whatever the breaker thinks).

    `until` is in seconds since the epoch. `reason` and `by` are for the next administrator
    who finds it; no decision reads them, and no other region.
    """

    phase: BreakerPhase
    until: float
    reason: str = ""
    by: str = ""

    def to_json(self) -> dict[str, Json]:
        """This as plain JSON, for a checkpoint."""
        return {
            "phase": self.phase.value,
            "until": self.until,
            "reason": self.reason,
            "by": self.by,
        }

    @classmethod
    def from_json(cls, plain: Json) -> "Override":
        """What `to_json` described.

        Raises:
            ValueError: it is not.
        """
        match plain:
            case {
                "phase": str(phase),
                "until": float() | int() as until,
                "reason": str(reason),
                "by": str(by),
            }:
                return cls(BreakerPhase(phase), float(until), reason, by)
            case _:
                raise ValueError(f"not an override: {plain!r}")
