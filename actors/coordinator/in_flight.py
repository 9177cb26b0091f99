"""The requests of one replica under way: its own count is exact at once, the scoreboard's is not."""

from collections.abc import Mapping
from dataclasses import replace

from routing.scorecard import Snapshot


class InFlight:
    """Counts attempts by target, and tells a snapshot what it does not count yet."""

    def __init__(self) -> None:
        self._now: dict[str, int] = {}
        self._counted: Mapping[str, int] = {}

    @property
    def counts(self) -> dict[str, int]:
        """What is under way now, for a report; a target with nothing is not in it."""
        return dict(self._now)

    def of(self, target: str) -> int:
        """Attempts on that target under way."""
        return self._now.get(target, 0)

    def begin(self, target: str) -> None:
        """One attempt more."""
        self._now[target] = self._now.get(target, 0) + 1

    def end(self, target: str) -> None:
        """One less."""
        left = self._now.get(target, 0) - 1
        if left > 0:
            self._now[target] = left
        else:
            self._now.pop(target, None)

    def counted(self, counts: Mapping[str, int]) -> None:
        """A new snapshot is here, and these of ours are in its scorecards."""
        self._counted = counts

    def corrected(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot with what we began and ended since.

        On every decision, for some 5 us: of a hundred requests that come at once each must
        see those before it.
        """
        own = dict(self._now)
        for target, count in self._counted.items():
            own[target] = own.get(target, 0) - count
        return replace(snapshot, own=own)
