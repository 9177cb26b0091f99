"""latency: the shortest expected time to an answer, load included.

Constants: a simulation of five platforms (medians 1.0 to 4.0 s, lognormal, 20 slots
each, snapshots every 100 ms) at 10, 50 and 80 % load. p99 in seconds:
in-flight term 0.1, contenders within 1.25: 3.0, 4.0, 5.1; term 1.0 (Peak-EWMA as
published), two choices of all five: 7.8, 7.7, 7.7; no in-flight term: 2.5, 56, 93.
"""

from collections.abc import Sequence
from random import Random

from routing.eligibility import Candidate

LOAD_PER_REQUEST = 0.1
"""A request in flight adds a tenth: a vendor serves many at once (agentgateway's number, too)."""

CONTENDER_RATIO = 1.25
"""Platforms this close to the best are worth a draw; a wider circle only draws slower ones."""

MIN_SUCCESS_RATE = 0.1
"""Keeps the expected number of tries finite for a platform that lately only failed."""


def rank_by_latency(candidates: Sequence[Candidate], rng: Random) -> list[Candidate]:
    """The better of two contenders drawn at random, then all others by expected time.

    Every replica reads the same snapshot: if all took its minimum, all would run to one
    platform until the next snapshot. Two choices spread them (Mitzenmacher 2001). Drawn
    with replacement, or else of two contenders the better would always be taken.
    """
    timed = sorted(((expected_ms(c), i) for i, c in enumerate(candidates)))
    ranked = [candidates[i] for _, i in timed]
    contenders = sum(ms <= CONTENDER_RATIO * timed[0][0] for ms, _ in timed)
    if contenders > 1:
        # They are in order, so the better of two draws is the smaller index.
        drawn = min(int(rng.random() * contenders), int(rng.random() * contenders))
        ranked.insert(0, ranked.pop(drawn))
    return ranked


def expected_ms(candidate: Candidate) -> float:
    """Expected time to an answer: halfway from p50 to p95, per success, times the load.

    Halfway, because a mean would hide the peaks that Peak-EWMA is named after.
    """
    scorecard = candidate.scorecard
    slow_ms = candidate.latency_p95_ms
    middle_ms = scorecard.latency_p50_ms
    idle_ms = slow_ms if middle_ms is None else (middle_ms + slow_ms) / 2
    rate = scorecard.success_rate
    tries = 1.0 if rate is None else 1 / max(rate, MIN_SUCCESS_RATE)
    return idle_ms * tries * (1 + LOAD_PER_REQUEST * scorecard.in_flight)
