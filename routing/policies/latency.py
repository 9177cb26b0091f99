"""latency: the shortest expected time to an answer, load included.

Constants: a simulation of five platforms (medians 1.0 to 4.0 s, lognormal, 20 slots
each, boards up to 250 ms old; tests/property/test_load.py) at 10, 50, 80 and 95 % load.
p99 in seconds: as here 4.0, 4.8, 6.4, 8.6; at random 9.6, 26, 66, 77; by the mean of
the last ten answers, without an in-flight term, 3.2, 43, 104, 142; joining the shortest
queue, all-knowing, 8.3, 7.8, 8.6, 9.1. A flat tenth for each request in flight costs 5
to 15 % of the mean from 80 % on; contenders within 1.0 or 1.1 instead of 1.25 run
together with sixteen replicas over equal platforms (at 95 % 4.3 instead of 3.8 s).
"""

from collections.abc import Sequence

from routing.eligibility import Candidate
from routing.policy import Draws, Ranking

LOAD_PER_REQUEST = 0.05
LOAD_GROWTH = 0.0025
GROWS_UP_TO = 40
"""A request in flight adds a twentieth, growing with their number to three twentieths each.

A few say little, because a vendor serves many at once; many mean that some of them wait. The
growth ends, lest a vendor that serves thousands at once be shunned for a few hundred.
"""

PEAK_SHARE = 0.33
"""Of the peak-EWMA, what a platform is taken to need at least: about its median while the peak is
its usual 99th percentile, several times as much from the first answers of a brown-out on. A half
costs 3 % of the mean at 10 % load. The whole of it times the requests in flight, as Finagle has it,
serves worse: one hard question is a peak (docs/decisions/0013)."""

CONTENDER_RATIO = 1.25
"""Platforms this close to the best are worth a draw; a wider circle only draws slower ones."""

MIN_SUCCESS_RATE = 0.1
"""Keeps the expected number of tries finite for a platform that lately only failed."""


def rank_by_latency(candidates: Sequence[Candidate], rng: Draws) -> Ranking:
    """The better of two contenders drawn at random, then all others by expected time.

    Every replica reads the same snapshot: if all took its minimum, all would run to one
    platform until the next snapshot. Two choices spread them (Mitzenmacher 2001). Drawn
    with replacement, or else of two contenders the better would always be taken.
    """
    timed = sorted(((expected_ms(c), i) for i, c in enumerate(candidates)))
    ranked = [candidates[i] for _, i in timed]
    contenders = sum(ms <= CONTENDER_RATIO * timed[0][0] for ms, _ in timed)
    if contenders == 1:
        return Ranking(ranked)
    # They are in order, so the better of two draws is the smaller index.
    drawn = min(int(rng.random() * contenders), int(rng.random() * contenders))
    ranked.insert(0, ranked.pop(drawn))
    # Both draws at it or behind it, less both behind it.
    at_or_behind = contenders - drawn
    return Ranking(ranked, (at_or_behind**2 - (at_or_behind - 1) ** 2) / contenders**2)


def expected_ms(candidate: Candidate) -> float:
    """Expected time to an answer: halfway from p50 to p95, per success, times the load.

    Halfway, because a mean would hide the peaks; and no less than a share of the peak-EWMA,
    because percentiles of minutes are slow to see what has just begun.
    """
    scorecard = candidate.scorecard
    slow_ms = candidate.latency_p95_ms
    middle_ms = scorecard.latency_p50_ms
    idle_ms = slow_ms if middle_ms is None else (middle_ms + slow_ms) / 2
    rate = scorecard.success_rate
    tries = 1.0 if rate is None else 1 / max(rate, MIN_SUCCESS_RATE)
    expected, busy = idle_ms * tries, candidate.in_flight
    if busy:
        growth = LOAD_GROWTH * min(busy, GROWS_UP_TO)
        expected *= 1 + busy * (LOAD_PER_REQUEST + growth)
    peak = candidate.peak
    if peak is None or PEAK_SHARE * peak.ms <= expected:
        return expected
    # Whatever waited in a queue is in the peak already, so the load is not counted again.
    return max(expected, PEAK_SHARE * peak.after(candidate.now) * tries)
