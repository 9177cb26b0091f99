"""When to ask a second platform because the first is slow: at its own p95, for one call in twenty.

Dean and Barroso ("The Tail at Scale", CACM 2013) hedge after the 95th percentile, which
costs about 5 % more calls. That holds only while slowness is an exception: in a general
slow-down every call is late, and hedging would double the load of platforms that are
in trouble. So hedges are paid from a bucket, and stop while most calls are late.
"""

from collections import deque

HEDGE_SHARE = 0.05
"""Of all calls, at most: what hedging at p95 costs when nothing is wrong."""

BURST = 3.0
"""Hedges that may be saved up: enough for the slow calls of one moment, not for an outage."""

RECENT = 40
"""Calls looked back on to tell a slow call from a slow day."""

SLOW_DAY_SHARE = 0.25
"""Late calls among the recent ones from which on it is a slow-down: five times the 5 % of p95."""


class HedgeGate:
    """Grants hedges to the calls of one process. No clock: it counts calls."""

    def __init__(self) -> None:
        # Nothing saved yet, so that the share holds from the first call on.
        self._saved = 0.0
        self._late: deque[bool] = deque(maxlen=RECENT)

    @property
    def is_slow_day(self) -> bool:
        """Whether so many calls are late that a second one would only add to the load."""
        # A handful of calls says nothing; a tenth of the memory is the least to go by.
        return len(self._late) >= RECENT // 10 and sum(self._late) > SLOW_DAY_SHARE * len(
            self._late
        )

    def in_time(self) -> None:
        """A call that could have been hedged answered before that."""
        self._earn(late=False)

    def take(self) -> bool:
        """A call is late: whether a second platform may be asked now."""
        self._earn(late=True)
        if self._saved < 1 or self.is_slow_day:
            return False
        self._saved -= 1
        return True

    def _earn(self, *, late: bool) -> None:
        self._saved = min(self._saved + HEDGE_SHARE, BURST)
        self._late.append(late)
