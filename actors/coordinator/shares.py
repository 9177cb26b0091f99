"""The book of what part of every limit each replica has. Pure; time is an argument, seconds of one clock.

It is in memory alone. After a restart nobody gets more than it says it holds until whatever was
lent before has run out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from actors.shares import GONE_S, LEASE_S, ShareClaim, ShareGrant


@dataclass(slots=True)
class _Holder:
    """`reserved` is the most that it may hold, as far as anybody here can know."""

    seq: int
    heard_at: float
    reserved: float
    least: float
    over: Mapping[str, int]
    grant: ShareGrant


class ShareBook:
    """Lends parts of the whole to the replicas of each pool."""

    def __init__(self, is_first: Callable[[], bool]) -> None:
        """`is_first` says that there was no other book before it, which may have lent something."""
        self._is_first = is_first
        self._began: tuple[float, bool] | None = None
        self._pools: dict[str, _Pool] = {}

    def claim(self, claim: ShareClaim, now: float) -> ShareGrant:
        """Take a claim and answer it; an old one changes nothing, and the same one twice neither."""
        pool = self._pools.get(claim.pool)
        if pool is None:
            # Its time begins with the first claim: what was lent before has run out even later.
            self._began = self._began or (now, self._is_first())
            pool = self._pools[claim.pool] = _Pool(*self._began)
        return pool.claim(claim, now)


class _Pool:
    """Replicas among whom requests are spread evenly."""

    def __init__(self, began_at: float, is_first: bool) -> None:
        self._all_known_at = began_at + LEASE_S
        self._lends_from = began_at if is_first else self._all_known_at
        self._is_untouched = is_first
        self._ever: str | None = None
        self._holders: dict[str, _Holder] = {}

    def claim(self, claim: ShareClaim, now: float) -> ShareGrant:
        mine = self._holders.get(claim.replica)
        if mine is not None and claim.seq <= mine.seq:
            return mine.grant
        self._holders = {
            replica: holder
            for replica, holder in self._holders.items()
            if now - holder.heard_at < GONE_S and replica != claim.replica
        }
        # Only as long as all claims are one replica's that has not heard of any part yet.
        self._ever = self._ever or claim.replica
        self._is_untouched &= claim.heard == 0 and claim.replica == self._ever
        if claim.is_last:
            return ShareGrant(0.0)
        if mine is None and claim.held > 0.0 and now < self._all_known_at:
            # Somebody else lent that, who may have lent more.
            self._lends_from, self._is_untouched = self._all_known_at, False
        grant = self._granted(claim, now)
        self._holders[claim.replica] = _Holder(
            claim.seq, now, max(claim.held, grant.share), claim.least, claim.over, grant
        )
        return grant

    def _granted(self, claim: ShareClaim, now: float) -> ShareGrant:
        others = self._holders.values()
        alive = [holder for holder in others if now - holder.heard_at < LEASE_S]
        # As many replicas as have the least part make the whole: more silent ones than are missing
        # to that cannot all be there.
        silent = min(
            sum(min(h.reserved, h.least) for h in others if now - h.heard_at >= LEASE_S),
            max(0.0, 1.0 - (len(alive) + 1) * claim.least),
        )
        even = (1.0 - silent) / (len(alive) + 1)
        if now < self._lends_from:
            # What others have under way beyond their parts they may not have said again.
            return ShareGrant(min(even, claim.held), elsewhere=None)
        left = 1.0 - silent - sum(holder.reserved for holder in alive)
        share = max(0.0, min(even, left))
        elsewhere = dict[str, int]()
        for holder in others:
            for tenant, count in holder.over.items():
                elsewhere[tenant] = elsewhere.get(tenant, 0) + count
        return ShareGrant(share, elsewhere, share if self._is_untouched else 0.0)
