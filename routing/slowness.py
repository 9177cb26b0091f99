"""Whether a target that answers is several times slower than it used to be, while others are not.

Answers are compared with the target's own usual time for answers of that length, because a
long answer is not late, it is long. Slow answers in a row, or half of them, open a breaker of
its own, which keeps nobody away: it only puts the target behind those that are well and much
faster (`stand_back`). Its probes tell when that is over.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from routing import breaker as breakers
from routing.breaker import Breaker, BreakerPhase
from routing.eligibility import Candidate
from routing.errors import ErrorKind
from routing.message import Json, JsonObject
from routing.outcome import Outcome
from routing.policy import Strategy
from routing.quantile import MIN_MS
from routing.reason import Reason

SLOW_TIMES = 3.0
"""Times the usual from which on an answer is slow: of lognormal times one in fifty is by chance."""

WELL_TIMES = 2.0
"""Times the usual up to which a probe finds it well again: less than slow, or it would flap."""

ENOUGH = 20
"""Answers of a length before anything is usual about them (`routing.conformal`)."""

_LEARNT = math.log(WELL_TIMES)
_MEMORY = 200
"""Answers that the usual time follows: a quarter of an hour of one every five seconds."""

_RECENT_WEIGHT = 0.25
_RECENT_ENOUGH = 3
_RECENT_S = 60.0
"""How slow it is now is the mean of about its last four answers, believed for a minute."""

FOR_GOOD_S = 3_600.0
"""What has been slow for an hour is how it is now: the usual is learnt anew."""

_IDLE_DOUBLES_S = 6 * FOR_GOOD_S
"""A favourite may be crowded for a day's busy hours; what it takes when idle is not to be forgotten."""

FASTER_TIMES = 2.0
"""Another one must promise to be this much faster, or leaving is money for nothing."""

_LENGTH_STEP = 32
_LENGTHS = 10
"""Classes of answers by length, each twice as long as the one before: up to 32 tokens, to 64, ..."""


@dataclass(frozen=True, slots=True)
class _Usual:
    """The logarithm of the time that answers of one length take, over `count` of them, as of `at`.

    `idle_log_ms` is the least that it was: a crowd that grows makes all answers slow little by
    little, until that is usual.
    """

    log_ms: float
    count: int
    idle_log_ms: float
    at: float

    def with_one(self, log_ms: float, now: float) -> "_Usual":
        count = min(self.count + 1, _MEMORY)
        # No more than twice as slow or quick: the first answers of a brown-out are not usual.
        off = min(max(log_ms - self.log_ms, -_LEARNT), _LEARNT)
        usual = self.log_ms + off / count
        forgotten = math.log(2) * max(now - self.at, 0.0) / _IDLE_DOUBLES_S
        idle = usual if count < ENOUGH else min(usual, self.idle_log_ms + forgotten)
        return _Usual(usual, count, idle, max(now, self.at))


@dataclass(frozen=True, slots=True)
class _Recent:
    """A logarithm's mean over about the last four answers, `count` of them, the last at `at`."""

    log: float = 0.0
    count: int = 0
    at: float = 0.0

    def with_one(self, log: float, at: float) -> "_Recent":
        weight = _RECENT_WEIGHT if self.count else 1.0
        return _Recent(self.log + weight * (log - self.log), self.count + 1, at)

    def known(self, now: float) -> float | None:
        """What it is the logarithm of; None where too few came of late."""
        is_enough = self.count >= _RECENT_ENOUGH and now - self.at <= _RECENT_S
        return math.exp(self.log) if is_enough else None

    def to_json(self) -> Json:
        return [self.log, self.count, self.at]

    @classmethod
    def from_json(cls, plain: Json) -> "_Recent":
        match plain:
            case [float() | int() as log, int(count), float() | int() as at] if count >= 0:
                return cls(float(log), count, float(at))
            case _:
                raise ValueError(f"not a recent mean: {plain!r}")


class Pace:
    """How long one target takes beside what is usual for it. Time is an argument."""

    __slots__ = ("_ms", "_slow_since", "_times", "_usual", "breaker")

    def __init__(self) -> None:
        self._usual: dict[int, _Usual] = {}
        self._times = _Recent()
        self._ms = _Recent()
        self._slow_since: float | None = None
        self.breaker = Breaker()

    def times(self, now: float) -> float | None:
        """How many times the usual its last answers took; None where too few came of late."""
        return self._times.known(now)

    @property
    def slow_times(self) -> float | None:
        """How many times the usual its last answers took, while it counts as slow; None else."""
        return None if self.breaker.phase is BreakerPhase.CLOSED else math.exp(self._times.log)

    def recent_ms(self, now: float) -> float | None:
        """What its last answers took; of one that counts as slow however long ago they came."""
        if self.breaker.phase is BreakerPhase.CLOSED:
            return self._ms.known(now)
        return math.exp(self._ms.log)

    def times_idle(self, outcome: Outcome) -> float | None:
        """How many times as long it took as where nobody else was in its way; None while unknown."""
        usual = self._usual.get(_length_of(outcome))
        if usual is None or usual.count < ENOUGH:
            return None
        return max(outcome.latency_ms, MIN_MS) / math.exp(usual.idle_log_ms)

    def fold(self, outcome: Outcome, now: float, general: Callable[[], float]) -> None:
        """Learn from an attempt; `general` says how many times the usual the best of the others takes."""
        verdict: breakers.Verdict = "neutral"
        if outcome.error is None and not outcome.abandoned:
            verdict = self._answered(outcome, now, general)
        elif outcome.error is ErrorKind.TIMEOUT and self.breaker.phase is not BreakerPhase.CLOSED:
            verdict = "failure"
        self.breaker = breakers.judged(self.breaker, outcome, verdict, now)
        self._date(now)

    def _answered(
        self, outcome: Outcome, now: float, general: Callable[[], float]
    ) -> breakers.Verdict:
        length, log_ms = _length_of(outcome), math.log(max(outcome.latency_ms, MIN_MS))
        usual = self._usual.get(length, _Usual(log_ms, 0, log_ms, now))
        is_closed = self.breaker.phase is BreakerPhase.CLOSED
        if is_closed:
            self._usual[length] = usual.with_one(log_ms, now)
        self._ms = self._ms.with_one(log_ms, now)
        if usual.count < ENOUGH:
            return "neutral"
        times = log_ms - usual.log_ms
        self._times = self._times.with_one(times, now)
        limit = math.log(SLOW_TIMES if is_closed else WELL_TIMES)
        # The others are asked only where it matters: it takes a look at every target.
        is_slow = times >= limit and times - math.log(max(general(), 1.0)) >= limit
        return "failure" if is_slow else "success"

    def _date(self, now: float) -> None:
        """Since when it has been slow; after an hour that is what is usual."""
        if self.breaker.phase is BreakerPhase.CLOSED:
            self._slow_since = None
        elif self._slow_since is None:
            self._slow_since = now
        elif now - self._slow_since >= FOR_GOOD_S:
            self._usual, self._times, self._slow_since = {}, _Recent(), None
            self.breaker = Breaker(since=now)

    def to_json(self) -> JsonObject:
        """This pace for a checkpoint, without its breaker."""
        return {
            "usual": {
                str(length): [u.log_ms, u.count, u.idle_log_ms, u.at]
                for length, u in self._usual.items()
            },
            "times": self._times.to_json(),
            "ms": self._ms.to_json(),
            "slow_since": self._slow_since,
        }

    @classmethod
    def from_json(cls, plain: JsonObject, breaker: Breaker) -> "Pace":
        """The pace that `to_json` described; raises ValueError if it is none."""
        pace = cls()
        match plain:
            case {
                "usual": dict(usual),
                "times": times,
                "ms": ms,
                "slow_since": float() | int() | None as slow_since,
            }:
                pace._usual = {int(length): _usual(row) for length, row in usual.items()}
                pace._times, pace._ms = _Recent.from_json(times), _Recent.from_json(ms)
                pace._slow_since, pace.breaker = slow_since, breaker
                return pace
            case _:
                raise ValueError("not a target's pace")


def _usual(plain: Json) -> _Usual:
    match plain:
        case [
            float() | int() as log_ms,
            int(count),
            float() | int() as idle,
            float() | int() as at,
        ] if 0 < count <= _MEMORY:
            return _Usual(float(log_ms), count, float(idle), float(at))
        case _:
            raise ValueError(f"not a usual time: {plain!r}")


def stand_back(order: Sequence[Candidate], strategy: Strategy, now: float) -> Sequence[Candidate]:
    """The ranking with each slow one behind those next to it that are well and much faster.

    So it stands before the first that is not much faster itself, as nobody is in a general
    slow-down; where quality is what is asked for also before the first that is worse. Where
    latency is asked for the ranking has it already.
    """
    slow = [c for c in order if c.scorecard.slow_until is not None and c.scorecard.is_slow(now)]
    if not slow or strategy is Strategy.LATENCY:
        return order
    ranked = list(order)
    for candidate in reversed(slow):
        end = start = ranked.index(candidate)
        while end + 1 < len(ranked) and _is_better(ranked[end + 1], candidate, strategy, now):
            end += 1
        ranked.insert(end, ranked.pop(start))
    return ranked


def slow_reasons(candidate: Candidate, now: float) -> tuple[Reason, ...]:
    """Why the candidate yields to others that are faster, though it may be asked; most have none."""
    card = candidate.scorecard
    if not card.is_slow(now):
        return ()
    left_s, times = (card.slow_until or now) - now, card.slow_times or SLOW_TIMES
    detail = (
        f"its answers take {times:.1f} times as long as usual; those that are well and much faster "
        f"come first; the next probe is due in {left_s:.1f} s"
    )
    return (Reason("slower_than_usual", detail),)


def _is_better(other: Candidate, slow: Candidate, strategy: Strategy, now: float) -> bool:
    if strategy is Strategy.CAPABILITY and other.profile.quality < slow.profile.quality:
        return False
    is_faster = FASTER_TIMES * _typical_ms(other) <= _typical_ms(slow)
    return is_faster and not other.scorecard.is_slow(now)


def _typical_ms(candidate: Candidate) -> float:
    """By its last answers, else by those of minutes, else as believed.

    One that is not known to be slow is taken by the worse: its last answers are the quick ones
    of a moment while the others are still under way.
    """
    recent_ms, usual_ms = candidate.scorecard.recent_ms, candidate.scorecard.latency_p50_ms
    if recent_ms is None or usual_ms is None:
        return recent_ms or usual_ms or candidate.latency_p95_ms
    return recent_ms if candidate.scorecard.slow_times is not None else max(recent_ms, usual_ms)


def _length_of(outcome: Outcome) -> int:
    """The class of its answer's length, and of its request's size, which says how much was read."""
    doublings = ((outcome.usage.output_tokens - 1) // _LENGTH_STEP).bit_length()
    return outcome.size * _LENGTHS + min(max(doublings, 0), _LENGTHS - 1)
