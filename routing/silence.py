"""How long a platform may say nothing before another one is asked in its place.

A platform that took a question and is silent for several times its own slowest answers
will hardly speak any more. But in a general slow-down everybody is silent, and leaving
one after the other costs money for nothing. So a silent platform is left for one that
is known to speak, or else for trial: few at a time, until it is known. As with hedging,
the question is not whether this call is late, but whether lateness is the exception.
"""

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from routing.scorecard import Scorecard
from routing.size import Size

SILENCE_TIMES = 3.0
"""Times the 99th percentile: of lognormal times of spread 0.5 three in a million take longer, of
spread 1.0 three in ten thousand."""

SILENCE_FLOOR_S = 2.0
"""However quick a platform is: a lost packet of the handshake is sent again after a second."""

SILENCE_ENOUGH = 20
"""Answers that make a 99th percentile worth three times itself; of fewer the slowest is chance."""

RECHECK_S = 1.0
"""How often one that is silent and was not left is looked at again: somebody may have spoken."""

TRIALS = 2
"""Calls at once that leave a platform although nobody knows that others are better. Of two
replicas they are fewer than open a breaker, so that a slow day alone opens none."""

MEMORY_S = 60.0
"""As long as a rate is remembered (`routing.window`): what was heard before says nothing of now."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one attempt may be silent, in seconds; None where too little is known.

    `first_s` is for its first word, or for the whole of an answer that comes in one piece;
    `between_s` for each word after it. One that spoke within `well_s` did as ever.
    """

    first_s: float | None = None
    between_s: float | None = None
    well_s: float | None = None


UNKNOWN = Patience()
"""Of a target of which nobody knows how soon it speaks: it is waited for."""


def patience_of(scorecard: Scorecard, size: Size, *, speaks_early: bool) -> Patience:
    """By the target's own record for requests of this size.

    `speaks_early` is whether the first word tells that the answer is coming: it does not
    where answers come whole, nor where a tool may be called, which is silent until it is called.
    """
    first_ms = (scorecard.first_byte_p99_ms if speaks_early else scorecard.whole_p99_ms)[size]
    between_ms = scorecard.gap_p99_ms if speaks_early else first_ms
    if first_ms is None and between_ms is None:
        return UNKNOWN
    return _patience(first_ms, between_ms)


@lru_cache(maxsize=4096)  # a snapshot's figures hold for hundreds of decisions
def _patience(first_ms: float | None, between_ms: float | None) -> Patience:
    well_s = None if first_ms is None else first_ms / 1000
    return Patience(_bound_s(first_ms), _bound_s(between_ms), well_s)


def _bound_s(p99_ms: float | None) -> float | None:
    return None if p99_ms is None else max(SILENCE_TIMES * p99_ms / 1000, SILENCE_FLOOR_S)


class SilenceGate:
    """Says for the calls of one process whether a silent platform may be left. Times are arguments."""

    def __init__(self) -> None:
        # One word for each target, of which a configuration has some hundreds at most.
        self._last: dict[str, tuple[float, bool]] = {}
        self._trials: deque[float] = deque(maxlen=TRIALS)

    def spoke(self, target: str, now: float, *, is_well: bool) -> None:
        """Its first word has come; where it was as quick as ever, who was left on trial was left rightly."""
        self._last[target] = (now, is_well)
        if is_well:
            self._trials.clear()

    def late(self, target: str, now: float) -> None:
        """It is silent for longer than its patience."""
        self._last[target] = (now, False)

    def may_leave(self, others: Iterable[str], began: float, now: float) -> bool:
        """Whether a call that began at `began` and is silent may be ended, to ask one of `others`.

        At once if the last that was heard of one of them is that it is well, and since then.
        Never while the last that was heard of all, within `MEMORY_S`, is that they are late or
        slow themselves. Else on trial.
        """
        is_any_worth_trying = False
        for other in others:
            at, is_well = self._last.get(other, (-math.inf, True))
            if is_well and at >= began:
                return True
            is_any_worth_trying |= is_well or now - at >= MEMORY_S
        if not is_any_worth_trying:
            return False
        while self._trials and now - self._trials[0] >= MEMORY_S:
            self._trials.popleft()
        if len(self._trials) == TRIALS:
            return False
        self._trials.append(now)
        return True
