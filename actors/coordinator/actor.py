"""The Ray class around the scoreboard: restores it, books outcomes, answers replicas.

A batch of outcomes is written to the ledger before it is folded and acknowledged, so
a crash at any point loses no acknowledged outcome and books none twice: replicas send
again what was not acknowledged, under the same number.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ray

from actors.coordinator.state import CoordinatorState
from actors.database.engine import open_database
from actors.database.ledger import Ledger
from routing.clock import SystemClock
from routing.outcome import Outcome
from routing.scorecard import Snapshot

_log = logging.getLogger(__name__)
# Writing the sketches down costs some milliseconds; what a crash may cost is a second of them.
CHECKPOINT_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class CoordinatorOptions:
    """Which region's coordinator this is, and where its ledger lies."""

    region: str
    database: Path


class Coordinator:
    """One per region; off every request's path."""

    def __init__(self, options: CoordinatorOptions) -> None:
        self._options = options
        self._clock = SystemClock()
        self._ledger = Ledger(open_database(options.database))
        self._state: CoordinatorState | None = None
        self._kept_at = 0.0

    @ray.method
    async def sync(
        self, replica: str, seq: int, outcomes: Sequence[Outcome], in_flight: Mapping[str, int]
    ) -> Snapshot:
        """Take a replica's report number `seq` and give the scoreboard back.

        Raises:
            DatabaseBusy: nothing was booked; send the same report again.
        """
        state = await self._restored()
        now = self._clock.now()
        fresh = True
        if outcomes:
            fresh = await self._ledger.append(replica, seq, outcomes, self._checkpoint(state, now))
        if fresh:
            state.fold(outcomes, now)
        state.hear(replica, in_flight, now)
        return state.snapshot(now)

    @ray.method
    async def claim_probe(self, platform: str, key: str) -> bool:
        """Whether the attempt `key` may be the probe of a platform whose breaker is not closed."""
        return (await self._restored()).claim_probe(platform, key, self._clock.now())

    def _checkpoint(self, state: CoordinatorState, now: float) -> str | None:
        """The scoreboard to keep with the next batch, or None while the last one is young."""
        if now - self._kept_at < CHECKPOINT_EVERY_S:
            return None
        self._kept_at = now
        return json.dumps(state.to_checkpoint())

    async def _restored(self) -> CoordinatorState:
        if self._state is None:
            state = CoordinatorState(self._options.region)
            kept = await self._ledger.load_checkpoint()
            if kept is not None:
                try:
                    state = CoordinatorState.from_checkpoint(
                        self._options.region, json.loads(kept.body)
                    )
                except ValueError:
                    # Of another version: statistics grow again, the ledger is the truth.
                    _log.warning(
                        "the scoreboard's checkpoint is not of this version; starting afresh"
                    )
            now = self._clock.now()
            state.restore_spend(await self._ledger.spend_today(now), now)
            self._state = state
        return self._state


CoordinatorActor = ray.remote(num_cpus=0, max_restarts=-1)(Coordinator)
