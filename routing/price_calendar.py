"""The catalogue through time: prices change at midnight UTC, and a running process with them.

All changes that are known are worked out at the start, so that asking is one search in a handful
of times. Nothing is kept with a request: whoever needs a price asks at the moment it counts.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace

from routing.catalog import Catalog
from routing.clock import rfc3339
from routing.money import Price
from routing.platform_profile import PlatformProfile

CLOCKS_APART_S = 60.0
"""A vendor's day may begin this much before ours: far more than clocks that are kept right differ."""


class PriceCalendar:
    """The catalogue of any moment.

    A call may be made before a change and be billed after it, and which of the two prices the
    vendor then takes is not known. So from `horizon_s` before a change, the longest that a request
    may take, bounds rest on the dearer of the two; what a call did cost is reckoned with the price
    of the moment it was made.
    """

    __slots__ = ("_catalogs", "_starts")

    def __init__(
        self, first: Catalog, changes: Sequence[tuple[float, Catalog]], horizon_s: float
    ) -> None:
        """`changes` are the later catalogues of the same targets with the seconds since the epoch from which they hold, in order."""
        ahead_s = horizon_s + CLOCKS_APART_S
        times = {start for start, _ in changes}
        self._starts = sorted(times | {start - ahead_s for start in times})
        self._catalogs = [first]
        for now in self._starts:
            in_force = next((c for start, c in reversed(changes) if start <= now), first)
            soon = [change for change in changes if now < change[0] <= now + ahead_s]
            self._catalogs.append(_covering(in_force, soon))

    def at(self, now: float) -> Catalog:
        """The catalogue at `now`, in seconds since the epoch; the same object until it changes."""
        return self._catalogs[bisect_right(self._starts, now)]

    def profile(self, target: str, now: float) -> PlatformProfile:
        """A target at the price of `now`; raises KeyError if there is none of that name."""
        return self.at(now).by_target[target]


def _covering(catalog: Catalog, soon: Iterable[tuple[float, Catalog]]) -> Catalog:
    """`catalog` with bounds that also hold at the prices which are to come soon."""
    for start, later in soon:
        catalog = Catalog(
            _covered(profile, later.by_target[profile.target].price, start)
            for profile in catalog.profiles
        )
    return catalog


def _covered(profile: PlatformProfile, later: Price | None, start: float) -> PlatformProfile:
    price = profile.price
    if price is None or (later is not None and later.to_json() == price.to_json()):
        return profile
    if later is None or later.per_call != price.per_call:
        return replace(profile, price=None)  # what cannot be bounded is unknown
    since = rfc3339(start)[:10]
    # As tiers of their own, which no vendor names in a reply: they can bound a call, not bill one.
    to_come = tuple(
        replace(tier, service_tier=f"{tier.service_tier} from {since}")
        for tier in (later.standard(0), *later.tiers)
    )
    source = f"{price.source}; others from {since} count for bounds"
    return replace(profile, price=replace(price, tiers=price.tiers + to_come, source=source))
