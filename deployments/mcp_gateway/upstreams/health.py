"""How one upstream does: its breaker, and how many calls of it are under way."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from deployments.mcp_gateway.tool_server import UpstreamFailed
from routing.breaker import (
    Ailment,
    Breaker,
    BreakerPhase,
    admits,
    attempt_key,
    claim_probe,
    fold,
    release_probe,
)
from routing.clock import Clock
from routing.errors import ErrorKind
from routing.exchange import Usage
from routing.outcome import Outcome

# A slow upstream holds this many of a replica's 1,000 requests and no more.
UNDER_WAY_MAX = 50


class Attempt:
    """A call under way; it says itself what came of it."""

    __slots__ = ("error", "judged")

    def __init__(self) -> None:
        self.judged = False
        self.error: ErrorKind | None = None

    def ended(self, error: ErrorKind | None = None) -> None:
        """It answered, or failed in this way; a call that says neither was given up by its caller."""
        self.judged, self.error = True, error


class Health:
    """The breaker of one upstream in one replica."""

    def __init__(self, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._breaker = Breaker(since=clock.now())
        self._calls = count(1)
        self._under_way = 0

    @property
    def phase(self) -> BreakerPhase:
        """Where the breaker stands."""
        return self._breaker.phase

    @contextmanager
    def call(self) -> Iterator[Attempt]:
        """A call, if it may be made now.

        Raises:
            UpstreamFailed: the upstream failed too often of late, or has enough to do.
        """
        if self._under_way >= UNDER_WAY_MAX:
            raise UpstreamFailed("It has too many calls under way already; try again in a moment.")
        began, call_id = self._clock.now(), f"{self._name}-{next(self._calls)}"
        if self._breaker.phase is not BreakerPhase.CLOSED:
            claimed = claim_probe(self._breaker, attempt_key(call_id, 1), began)
            if claimed is None:
                raise UpstreamFailed("It failed too often of late and is given a rest.")
            self._breaker = claimed
        elif not admits(self._breaker, began):
            raise UpstreamFailed("It asked for a rest.")
        attempt = Attempt()
        self._under_way += 1
        try:
            yield attempt
        finally:
            self._under_way -= 1
            self._fold(attempt, call_id, began)

    def _fold(self, attempt: Attempt, call_id: str, began: float) -> None:
        now = self._clock.now()
        if not attempt.judged:
            self._breaker = release_probe(self._breaker, attempt_key(call_id, 1), now)
            return
        outcome = Outcome(
            tenant="", answer_id=call_id, attempt=1, platform=self._name, target=self._name,
            model="", at=now, latency_ms=(now - began) * 1000, first_byte_ms=None, usage=Usage(),
            cost_usd=None, error=attempt.error,
        )  # fmt: skip
        self._breaker = fold(self._breaker, Ailment.HEALTH, outcome, now)
