"""What part of every limit this replica may let in by itself, and since when: its side of `actors.shares`.

A part that grows makes no room at once: what others had of it they may just have used up. It comes back as
the limit does. Nothing here waits or asks.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import NamedTuple

from actors.shares import HELD_S, ShareClaim, ShareGrant
from routing.clock import Clock

# Replicas come and go in minutes; whoever was not asked about for longer begins with nothing.
CHANGES_MAX = 64
# Beside them a claim is a hundred bytes; more tenants at once hold back the whole change.
OVER_MAX = 1_000
_ROUNDING = 1e-9


class Change(NamedTuple):
    """From `at` on the part is `share`; `unused` of it is there at once."""

    at: float
    share: float
    unused: float


class Shares:
    """The part of one replica. Until it has heard anything it is nothing."""

    def __init__(self, clock: Clock, pool: str, replica: str, least: float) -> None:
        """`least` is what it keeps where it hears nothing more; `replica` names its one life."""
        self._clock = clock
        self._pool = pool
        self._replica = replica
        self._least = least
        self._share = 0.0
        self._until = float("inf")
        self._claimed = 0.0
        self._seq = 0
        self._heard = 0
        self._asked_at = 0.0
        self._changes = deque[Change](maxlen=CHANGES_MAX)
        self.has_lapsed = False
        """Whether it heard nothing for so long that it fell back to its least part."""
        self.elsewhere: Mapping[str, int] = {}
        """Requests of tenants that other replicas have under way beyond their parts."""
        self.count = 0
        """Of changes there were."""

    @classmethod
    def fixed(cls, clock: Clock, share: float) -> "Shares":
        """A part that was always the same."""
        shares = cls(clock, "", "", share)
        shares._change(float("-inf"), share, share)
        return shares

    @property
    def share(self) -> float:
        """Its part of the whole at this moment."""
        if self._clock.monotonic() >= self._until:
            # It may be lent to others by now, all but the least.
            self._change(self._until, min(self._share, self._least), 0.0)
            self._until = float("inf")
            self.has_lapsed = True
        return self._share

    def ask(self, over: Mapping[str, int]) -> ShareClaim:
        """The next claim. `over` are the tenants' requests under way beyond this part."""
        share = self.share
        # What is given up is others' once it is told; not before they know what to leave room for.
        self._claimed = share if len(over) <= OVER_MAX else max(share, self._claimed)
        self._seq += 1
        self._asked_at = self._clock.monotonic()
        told = dict(islice(over.items(), OVER_MAX))
        return ShareClaim(
            self._pool, self._replica, self._seq, self._heard, self._claimed, self._least, told
        )

    def hear(self, seq: int, grant: ShareGrant) -> None:
        """The answer to claim number `seq`; heeded once, and not where another was made since, or too late."""
        share, now = self.share, self._clock.monotonic()
        until = self._asked_at + HELD_S
        if seq != self._seq or seq == self._heard or now >= until:
            return
        self._heard, self._until, self.has_lapsed = seq, until, False
        if grant.elsewhere is not None:
            self.elsewhere = grant.elsewhere
        if abs(grant.share - share) > _ROUNDING or grant.unused:
            self._change(now, grant.share, grant.unused)

    def last(self) -> ShareClaim:
        """What to say at the end: it holds nothing any more."""
        self._change(self._clock.monotonic(), 0.0, 0.0)
        self._until = float("inf")
        self._seq += 1
        return ShareClaim(
            self._pool, self._replica, self._seq, self._heard, 0.0, self._least, is_last=True
        )

    def since(self, count: int) -> Iterator[Change]:
        """The changes after the first `count`; of those that are forgotten only that there was nothing."""
        first = self.count - len(self._changes)
        if count < first:
            yield Change(self._changes[0].at, 0.0, 0.0)
        yield from islice(self._changes, max(0, count - first), None)

    def before(self, at: float) -> tuple[int, float]:
        """How many changes there were by then, and the part they left; nothing if that is forgotten."""
        count, share = self.count - len(self._changes), 0.0
        for change in self._changes:
            if change.at > at:
                break
            count, share = count + 1, change.share
        return count, share

    def _change(self, at: float, share: float, unused: float) -> None:
        self._share = share
        self._changes.append(Change(at, share, unused))
        self.count += 1
