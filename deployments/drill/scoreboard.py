"""The coordinator of a drill: the product's own state, told at once and read as often as a replica does."""

from collections import Counter

from typing_extensions import override

from actors.coordinator.state import CoordinatorState
from deployments.agent.attempt import Reporter
from routing.clock import Clock
from routing.outcome import Outcome
from routing.scorecard import Snapshot

SYNC_EVERY_S = 0.25
"""How old a replica's snapshot may be, as in actors/coordinator/client.py, which needs Ray."""


class DrillScoreboard(Reporter):
    """Scoreboard and reporter in one process. Probes are claimed at once, as at the actor."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._state = CoordinatorState("drill")
        self._in_flight: Counter[str] = Counter()
        self._snapshot = Snapshot.empty("drill")
        self._synced_at = 0.0

    @property
    def snapshot(self) -> Snapshot:
        """The last one heard, at most `SYNC_EVERY_S` old."""
        now = self._clock.now()
        if now - self._synced_at >= SYNC_EVERY_S:
            self._synced_at = now
            self._state.hear("drill", {t: n for t, n in self._in_flight.items() if n}, now)
            self._snapshot = self._state.snapshot(now)
        return self._snapshot

    @override
    def begin(self, target: str) -> None:
        self._in_flight[target] += 1

    @override
    def end(self, outcome: Outcome) -> None:
        self._in_flight[outcome.target] -= 1
        self._state.fold((outcome,), self._clock.now())

    @override
    async def claim_probe(self, target: str, key: str) -> bool:
        return self._state.claim_probe(target, key, self._clock.now())

    @override
    def release_probe(self, target: str, key: str) -> None:
        self._state.release_probe(target, key, self._clock.now())
