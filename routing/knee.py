"""How many requests at once a target takes before they wait for each other, and who gives way then.

By Little's law: of a target that serves so many at once the others wait, and with n in flight each
answer takes n / so many times as long as when it is idle. Where that begins is learnt as TCP learns
it: a quarter more at a time while answers stay quick, and as many as it serves at once when they
take twice as long.
"""

import math
from collections.abc import Callable, Sequence

from routing.eligibility import Candidate
from routing.policy import Strategy
from routing.reason import Reason

START = 16.0
"""What a target is given at once before it has shown that it takes more; after so many answers at the
earliest it is given a quarter more, so that some seconds are enough for hundreds."""

LEAST = 4.0
"""Fewer in flight are no crowd: a target that is slow with them is slow (`routing.slowness`)."""

CROWDED_TIMES = 2.0
"""Times the idle time from which on answers wait for each other: half their time is queueing."""

ROOMY_TIMES = 1.5
"""Times the idle time up to which more at once is tried."""

GROWTH = 1.25

FASTER_TIMES = 1.5
"""Two means of four lognormal answers are that far apart by chance once in fifteen times."""

_ENOUGH = 10
"""Answers of which the mean says how crowded it was: of lognormal times known to a sixth."""


class Knee:
    """The knee of one target. Times are arguments, in seconds since the epoch."""

    __slots__ = ("_changed_at", "_count", "_log_times", "at")

    def __init__(self, at: float = START) -> None:
        self.at = at
        """The requests in flight from which on it is full."""
        self._log_times = 0.0
        self._count = 0
        self._changed_at = -math.inf

    def fold(
        self,
        times: float,
        began_at: float,
        in_flight: int,
        now: float,
        general: Callable[[], float],
    ) -> None:
        """Learn from an answer that took so many times its idle time, with so many in flight.

        `general` says how slow the others are: what befalls all is nobody's crowd.
        """
        if began_at < self._changed_at:
            return  # it was sent by the knee of before
        self._count += 1
        self._log_times += math.log(times)
        if self._count < _ENOUGH:
            return
        mean_times = math.exp(self._log_times / self._count)
        if mean_times >= CROWDED_TIMES and in_flight >= LEAST:
            mean_times /= max(general(), 1.0)
            if mean_times >= CROWDED_TIMES:
                self.at, self._changed_at = max(in_flight / mean_times, LEAST), now
        elif mean_times <= ROOMY_TIMES and in_flight >= self.at - 1:
            self.at, self._changed_at = self.at * GROWTH, now
        self._log_times, self._count = 0.0, 0

    def given(self, in_flight: int, general: Callable[[], float]) -> float:
        """The requests at which it is full now; where all are slower, as many a second are more at once."""
        return self.at if in_flight < self.at else self.at * max(general(), 1.0)


def give_way(order: Sequence[Candidate], strategy: Strategy) -> Sequence[Candidate]:
    """The ranking with each full one behind those that are less crowded.

    With few in flight only behind those that are faster lately, or were never heard of: such a
    crowd looks like a slow-down, which may be everybody's. Where latency is asked for the ranking
    has it already.
    """
    # Most have few in flight: one comparison, not a call, for each of twenty.
    full = [c for c in order if c.in_flight >= LEAST and _is_full(c)]
    if not full or strategy is Strategy.LATENCY:
        return order
    ranked = list(order)
    for candidate in reversed(full):
        place = next(i for i, c in enumerate(ranked) if c is candidate)
        before: list[Candidate] = []
        behind: list[Candidate] = []
        for other in ranked[place + 1 :]:
            (before if _relieves(other, candidate) else behind).append(other)
        ranked[place:] = [*before, candidate, *behind]
    return ranked


def full_reasons(candidate: Candidate) -> tuple[Reason, ...]:
    """Why the candidate yields to others that have room, though it may be asked; most have none."""
    if not _is_full(candidate):
        return ()
    detail = (
        f"it works on {candidate.in_flight} requests and is given {_knee(candidate):.0f} at once, lest "
        "they wait for each other; those that have room come first"
    )
    return (Reason("full", detail),)


def _is_full(candidate: Candidate) -> bool:
    return candidate.in_flight >= _knee(candidate)


def _crowd(candidate: Candidate) -> float:
    return candidate.in_flight / _knee(candidate)


def _knee(candidate: Candidate) -> float:
    return candidate.scorecard.knee or START


def _relieves(other: Candidate, full: Candidate) -> bool:
    if _crowd(other) >= _crowd(full):
        return False
    other_ms, full_ms = _lately_ms(other), _lately_ms(full)
    if full.in_flight >= START or other_ms is None or full_ms is None:
        return True
    return FASTER_TIMES * other_ms <= full_ms


def _lately_ms(candidate: Candidate) -> float | None:
    card = candidate.scorecard
    return card.latency_p50_ms if card.recent_ms is None else card.recent_ms
