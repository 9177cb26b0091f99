"""The Ray class around the scoreboard: restores it, books outcomes, answers replicas.

A batch of outcomes is written to the ledger before it is folded and acknowledged, so
a crash at any point loses no acknowledged outcome and books none twice: replicas send
again what was not acknowledged, under the same number.
"""

import asyncio
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ray

from actors.coordinator.state import CoordinatorState
from actors.database.decisions import Decisions
from actors.database.engine import open_database
from actors.database.idempotency import Idempotency
from actors.database.ledger import Ledger
from routing.clock import SystemClock
from routing.outcome import Outcome
from routing.scorecard import Snapshot

_log = logging.getLogger(__name__)
# Writing the sketches down costs some milliseconds; what a crash may cost is a second of them.
CHECKPOINT_EVERY_S = 1.0
SWEEP_EVERY_S = 3600.0
# A month to ask why; at 2 kB each the most they take is 2 GB of the disk.
DECISIONS_KEPT_S = 30 * 86_400.0
DECISIONS_MAX = 1_000_000


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
        self._database = open_database(options.database)
        self._ledger = Ledger(self._database)
        self._state: CoordinatorState | None = None
        self._restoring = asyncio.Lock()
        self._kept_at = 0.0
        self._swept_at = self._clock.now()
        self._heard: set[str] = set()

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
        self._heard.add(replica)
        await self._sweep(now)
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

    async def _sweep(self, now: float) -> None:
        """Once an hour, drop what nobody will ask for any more."""
        if now - self._swept_at < SWEEP_EVERY_S:
            return
        self._swept_at = now
        await Idempotency(self._database).prune(now)
        await Decisions(self._database).prune(now - DECISIONS_KEPT_S, DECISIONS_MAX)
        # What has sent nothing for an hour will send nothing again: names last one life.
        for replica in set(await self._ledger.last_seqs()) - set(self._heard):
            await self._ledger.forget(replica)
        self._heard.clear()

    async def _restored(self) -> CoordinatorState:
        async with self._restoring:
            if self._state is None:
                self._state = await self._restore()
            return self._state

    async def _restore(self) -> CoordinatorState:
        state = CoordinatorState(self._options.region)
        kept = await self._ledger.load_checkpoint()
        if kept is not None:
            try:
                state = CoordinatorState.from_checkpoint(
                    self._options.region, json.loads(kept.body)
                )
            except ValueError:
                # Of another version: statistics grow again, the ledger is the truth.
                _log.warning("the scoreboard's checkpoint is not of this version; starting afresh")
        now = self._clock.now()
        state.restore_spend(await self._ledger.spend_today(now), now)
        return state


CoordinatorActor = ray.remote(num_cpus=0, max_restarts=-1)(Coordinator)
