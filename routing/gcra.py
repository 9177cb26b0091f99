"""The Generic Cell Rate Algorithm: so much at once after a quiet while, and so much a second ever after.

In the form that ITU-T I.371 calls a continuous-state leaky bucket, which decides as its virtual
scheduling does: what was taken is a debt that drains at the rate, and a debt never exceeds the
burst but by force. No window of `t` seconds sees more than burst + rate * t. No clock, no I/O.
"""

import math
from dataclasses import dataclass

# What adding and draining loses to rounding: a millionth of a unit buys nobody a request.
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Rate:
    """`burst` units at once, of which `per_s` come back each second; 0 for never."""

    per_s: float
    burst: float

    def part(self, share: float) -> "Rate":
        """What somebody has of it who decides alone over `share` of the whole."""
        return Rate(self.per_s * share, self.burst * share)


class Bucket:
    """What one subject has taken; `now` are seconds on any one clock."""

    __slots__ = ("_at", "_debt")

    def __init__(self) -> None:
        self._debt = 0.0
        self._at = -math.inf

    def debt(self, rate: Rate, now: float) -> float:
        """What was taken and has not come back."""
        if not self._debt or now <= self._at:
            # A clock that is set back gives nothing back.
            return self._debt
        return max(0.0, self._debt - (now - self._at) * rate.per_s)

    def room(self, rate: Rate, now: float) -> float:
        """What can be taken at once; less than nothing where more was taken by force."""
        return rate.burst - self.debt(rate, now)

    def wait_s(self, rate: Rate, cost: float, now: float) -> float:
        """Seconds until `cost` can be taken: 0.0 if now, infinity if never.

        What costs more than the whole burst waits for all of it.
        """
        missing = min(cost, rate.burst) - self.room(rate, now)
        if missing <= _ROUNDING:
            return 0.0
        return missing / rate.per_s if rate.per_s > 0 else math.inf

    def take(self, rate: Rate, cost: float, now: float) -> float:
        """Take `cost` if there is room; else nothing, and the seconds until there is."""
        wait_s = self.wait_s(rate, cost, now)
        if wait_s == 0.0:
            self.settle(rate, cost, now)
        return wait_s

    def resize(self, old: Rate, new: Rate, unused: float, now: float) -> None:
        """The rate is another from now on. What room there was is kept, and no more is made than `unused`."""
        self._debt = max(0.0, self.debt(old, now) + new.burst - old.burst - unused)
        self._at = max(self._at, now)

    def settle(self, rate: Rate, units: float, now: float) -> None:
        """Take `units` whether there is room or not, or give back where they are less than zero.

        Giving back never makes more room than the burst.
        """
        self._debt = max(0.0, self.debt(rate, now) + units)
        self._at = max(self._at, now)
