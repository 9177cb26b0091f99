"""The catalogue of a service whose platforms are changed while it runs.

A change holds from a moment on, as a change of price does: whoever decided before it goes on with
what was decided on, and finds there what it may cost.
"""

from routing.catalog import Catalog, Catalogs
from routing.platform_profile import PlatformProfile


class LiveCatalogs:
    """The catalogue of any moment, through changes; targets come and go."""

    __slots__ = ("_kept", "_plan_s")

    def __init__(self, first: Catalogs, plan_s: float) -> None:
        """`plan_s` is the longest, in seconds, that a plan may be carried out."""
        self._kept: tuple[tuple[float, Catalogs], ...] = ((0.0, first),)
        self._plan_s = plan_s

    def take(self, changed: Catalogs, now: float) -> None:
        """From `now` on it is `changed`; what no plan can need any more is forgotten."""
        # A clock that was put back must not bring an old catalogue back into force.
        start = max(now, self._kept[-1][0])
        oldest = now - self._plan_s
        ends = [start for start, _ in self._kept[1:]] + [start]
        kept = [each for each, end in zip(self._kept, ends, strict=True) if end >= oldest]
        self._kept = (*kept, (start, changed))

    def at(self, now: float) -> Catalog:
        """The catalogue at `now`, in seconds since the epoch."""
        return self._in_force(now).at(now)

    def profile(self, target: str, now: float) -> PlatformProfile:
        """A target at the price of `now`, also for a plan made before it was taken away.

        Raises:
            KeyError: no plan that may still be carried out has it.
        """
        for _, catalogs in reversed(self._kept):
            found = catalogs.at(now).by_target.get(target)
            if found is not None:
                return found
        raise KeyError(target)

    def _in_force(self, now: float) -> Catalogs:
        for start, catalogs in reversed(self._kept):
            if start <= now:
                return catalogs
        return self._kept[0][1]
