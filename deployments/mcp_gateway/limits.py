"""How much one principal may call at once and in a while, per replica."""

import math
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from deployments.security.principal import Principal
from routing.clock import Clock

# A model in a tool loop makes about ten calls an answer; a program may work for many customers.
CALLS_PER_S = 50.0
# What may come at once after a quiet while: two seconds' worth.
BURST = 100.0
# Calls of one principal under way: what one replica's 1,000 connections leave to nine others.
UNDER_WAY_MAX = 100
# Principals remembered; the one longest unseen is forgotten, and begins with a full bucket.
PRINCIPALS_MAX = 10_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float
    under_way: int = 0


class Limits:
    """A token bucket and a count of calls under way for each principal."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: OrderedDict[tuple[str, str], _Bucket] = OrderedDict()

    @contextmanager
    def call(self, principal: Principal) -> Iterator[float | None]:
        """Count a call while it is under way; seconds to wait, in tenths, where it must not begin."""
        bucket = self._bucket((principal.tenant, principal.subject))
        wait = self._take(bucket)
        if wait is not None:
            yield wait
            return
        bucket.under_way += 1
        try:
            yield None
        finally:
            bucket.under_way -= 1

    def _take(self, bucket: _Bucket) -> float | None:
        now = self._clock.monotonic()
        bucket.tokens = min(BURST, bucket.tokens + (now - bucket.at) * CALLS_PER_S)
        bucket.at = now
        if bucket.under_way >= UNDER_WAY_MAX:
            return 1.0
        if bucket.tokens < 1.0:
            return math.ceil((1.0 - bucket.tokens) / CALLS_PER_S * 10) / 10
        bucket.tokens -= 1.0
        return None

    def _bucket(self, who: tuple[str, str]) -> _Bucket:
        bucket = self._buckets.get(who)
        if bucket is None:
            bucket = self._buckets[who] = _Bucket(BURST, self._clock.monotonic())
            if len(self._buckets) > PRINCIPALS_MAX:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(who)
        return bucket
