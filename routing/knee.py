"""How many requests at once a target takes before they wait for each other, and who gives way then.

By Little's law: of a target that serves so many at once the others wait, and with n in flight each
answer takes n / so many times as long as usual. Until answers have been twice as slow nobody knows
where that begins; then it is n divided by how many times as slow they are. From there on one more is
tried at a time, as long as answers stay quick (additive increase, as in TCP Vegas).
"""

import math
from collections.abc import Sequence

from routing.eligibility import Candidate
from routing.policy import Strategy
from routing.reason import Reason

CROWDED_TIMES = 2.0
"""Times the usual from which on answers are held to wait for each other: half their time is queueing."""

ROOMY_TIMES = 1.5
"""Times the usual up to which one more at once is tried."""

LEAST = 4.0
"""Fewer in flight are no crowd: a target that is slow with them is slow (`routing.slowness`)."""

_WEIGHT = 0.1
_ENOUGH = 10
"""How slow it is, is the mean of about the last twenty answers, from ten on: of lognormal times that
is known to an eighth."""

_GROWTH = 0.05


class Knee:
    """The knee of one target. Times are arguments, in seconds since the epoch."""

    __slots__ = ("_changed_at", "_count", "_log_times", "at")

    def __init__(self) -> None:
        self.at: float | None = None
        """The requests in flight; None as long as it was never crowded."""
        self._log_times = 0.0
        self._count = 0
        self._changed_at = -math.inf

    def fold(self, log_times: float, began_at: float, in_flight: int, now: float) -> None:
        """Learn from an answer that took so many times the usual (a logarithm), with so many in flight."""
        if began_at < self._changed_at:
            return  # it was sent by the knee of before
        self._count += 1
        self._log_times += max(_WEIGHT, 1 / self._count) * (log_times - self._log_times)
        if self._count < _ENOUGH:
            return
        times = math.exp(self._log_times)
        if times >= CROWDED_TIMES and in_flight >= LEAST:
            self._move(max(in_flight / times, LEAST), now)
        elif self.at is not None and times <= ROOMY_TIMES and in_flight >= self.at - 1:
            self._move(self.at + max(1.0, _GROWTH * self.at), now)

    def _move(self, at: float, now: float) -> None:
        self.at, self._changed_at = at, now
        self._log_times, self._count = 0.0, 0


def give_way(order: Sequence[Candidate], strategy: Strategy) -> Sequence[Candidate]:
    """The ranking with those that have their fill behind the others, the least crowded first.

    Where latency is asked for the ranking has it already.
    """
    if strategy is Strategy.LATENCY:
        return order
    full = [c for c in order if c.scorecard.knee is not None and _is_full(c)]
    if not full:
        return order
    free = [c for c in order if c not in full]
    return [*free, *sorted(full, key=_crowd)]


def full_reasons(candidate: Candidate) -> tuple[Reason, ...]:
    """Why the candidate yields to others that have room, though it may be asked; most have none."""
    knee = candidate.scorecard.knee
    if knee is None or not _is_full(candidate):
        return ()
    detail = (
        f"it works on {candidate.in_flight} requests, and from {knee:.0f} on they wait for each "
        "other; those that have room come first"
    )
    return (Reason("has_its_fill", detail),)


def _is_full(candidate: Candidate) -> bool:
    return candidate.in_flight >= (candidate.scorecard.knee or math.inf)


def _crowd(candidate: Candidate) -> float:
    return candidate.in_flight / (candidate.scorecard.knee or math.inf)
